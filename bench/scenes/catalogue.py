"""The scenes, in the order in which they are run and told of."""

# Those of `make bench`: about twenty minutes on two cores.
LINES = (
    "start",
    "memory",
    "login",
    "refresh",
    "me",
    "verification",
    "programs",
    "apps",
    "wrong_secrets",
    "storm",
    "overload",
    "one_client",
    "one_address",
    "pauses",
    "endings",
    "revocation",
    "feed",
    "lists",
    "pages",
    "growth",
)
# What `make bench-full` measures beside them.
BEYOND = (
    "storm_in_full",
    "million",
    "console",
    "growth_in_full",
    "ceiling",
    "workers",
    "field_size",
    "field_refresh",
    "field_me",
    "field_programs",
    "field_apps",
    "field_login",
    "field_register",
    "field_storm",
    "field_lists",
)
