"""What a worker does not need is not in it."""

import subprocess
import sys

LOADED = """
import sys
import keyfob.cli.lean, keyfob.app, keyfob.cli.serving.process
unneeded = "rich pygments yaml typer redis httpx sqlalchemy alembic zxcvbn".split()
unneeded += "greenlet ua_parser_rs click uvicorn.supervisors".split()
unneeded += "segno pyotp webauthn jinja2 aiosmtplib".split()
unneeded += "email.headerregistry email.policy smtplib".split()
print([name for name in unneeded if sys.modules.get(name)])
"""


def test_a_worker_holds_none_of_the_libraries_of_others() -> None:
    said = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )

    assert (said.stdout, said.stderr) == ("[]\n", "")
