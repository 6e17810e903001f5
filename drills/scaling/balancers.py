"""HAProxy and nginx as the examples of docs/scaling set them up, before instances on loopback.

Addresses, bounds, TLS and, for nginx, what surrounds a file of conf.d are all that differs.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from bench.harness.cluster import HOST, free_port

from drills.scaling.programs import adapted, find, running, scratch

Balancer = Callable[[Sequence[int]], AbstractContextManager[int]]

_EXAMPLE_ADDRESSES = ("10.0.0.11:8000", "10.0.0.12:8000", "10.0.0.13:8000")

# What a distribution's nginx.conf puts around the files of conf.d.
_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/keyfob.conf;
}}
"""


@contextmanager
def haproxy(instances: Sequence[int]) -> Iterator[int]:
    """HAProxy in front of three instances; gives the port that it listens on."""
    program, port = find("haproxy", "haproxy"), free_port()
    config = adapted(
        "haproxy.cfg",
        {
            ":443 ssl crt /etc/haproxy/keyfob.pem alpn h2,http/1.1": f"{HOST}:{port}",
            "maxconn 20000": "maxconn 2000",  # a container may not open more files
            **_addresses(instances),
        },
    )
    with scratch() as folder:
        (folder / "haproxy.cfg").write_text(config)
        with running([program, "-db", "-f", "haproxy.cfg"], folder, port):
            yield port


@contextmanager
def nginx(instances: Sequence[int]) -> Iterator[int]:
    """Set nginx in front of three instances; gives the port that it listens on."""
    program, port = find("nginx", "nginx"), free_port()
    config = adapted(
        "nginx.conf",
        {
            "listen 443 ssl http2;": f"listen {HOST}:{port};",
            "ssl_certificate /etc/nginx/keyfob.crt;": "",
            "ssl_certificate_key /etc/nginx/keyfob.key;": "",
            **_addresses(instances),
        },
    )
    with scratch() as folder:
        (folder / "keyfob.conf").write_text(config)
        (folder / "nginx.conf").write_text(_NGINX.format(folder=folder))
        command = [program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]
        with running(command, folder, port):
            yield port


def _addresses(instances: Sequence[int]) -> dict[str, str]:
    own = (f"{HOST}:{port}" for port in instances)
    return dict(zip(_EXAMPLE_ADDRESSES, own, strict=True))
