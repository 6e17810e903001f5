"""The topologies by name. A new one is a module beside this one and a line here."""

from drills.catalogue import Drill
from drills.scaling import balanced, failover, limit_store, pooler, sharded, sizes

# Each drill's docstring is its part of docs/scaling.md.
DRILLS: dict[str, Drill] = {
    "haproxy": balanced.behind_haproxy,
    "nginx": balanced.behind_nginx,
    "failover": failover.failover,
    "failover-silent": failover.failover_silent,
    "failover-asynchronous": failover.failover_asynchronous,
    "standby-lost": failover.standby_lost,
    "pgbouncer-listening": pooler.pgbouncer_listening,
    "pgbouncer-polling": pooler.pgbouncer_polling,
    "pgbouncer-cost": pooler.pgbouncer_cost,
    "redis": limit_store.redis,
    "sharded": sharded.sharded,
    "row-sizes": sizes.row_sizes,
}
