"""The routes of allauth headless; run in its own venv."""

# allauth 65.21 means to import these when a token is first made, and does not if others imported
# their parent.
import cryptography.hazmat.primitives.asymmetric.rsa
import cryptography.hazmat.primitives.ciphers
import cryptography.hazmat.primitives.serialization  # noqa: F401 - see above
from django.urls import include, path

urlpatterns = [path("_allauth/", include("allauth.headless.urls"))]
