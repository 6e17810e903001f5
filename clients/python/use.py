"""A Python service that uses the generated client."""

import os

from keyfob_client.api.account import list_own_logins, me
from keyfob_client.api.sessions import list_own_sessions, log_out
from keyfob_client.api.sign_in import log_in, register
from keyfob_client.models import PasswordLogin, RegisterIn

from keyfob_client import AuthenticatedClient, Client

URL, EMAIL, SECRET = (os.environ[f"KEYFOB_{name}"] for name in ("URL", "EMAIL", "SECRET"))

client = Client(base_url=URL, raise_on_unexpected_status=True)
tokens = register.sync(
    client=client, body=RegisterIn(email=EMAIL, password=SECRET, name="Zoë Żółć")
)
signed_in = AuthenticatedClient(base_url=URL, token=tokens.access_token)
mine = me.sync(client=signed_in)
assert (mine.name, mine.role, mine.timezone) == ("Zoë Żółć", "user", None)
assert [each.current for each in list_own_sessions.sync(client=signed_in)] == [True]
assert list_own_logins.sync(client=signed_in)[0].reason == "registered"
assert log_out.sync_detailed(client=signed_in).status_code == 204  # without its optional body
assert me.sync(client=signed_in).code == "invalid_token"
again = log_in.sync(client=client, body=PasswordLogin(email=EMAIL, password=SECRET))
assert again.token_type == "bearer"
