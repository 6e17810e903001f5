"""The settings of a service without a database: its users are in Keyfob."""

import os

from django.core.management.utils import get_random_secret_key

SECRET_KEY = get_random_secret_key()  # nothing that is signed here outlives the process
ALLOWED_HOSTS = ["localhost"]
ROOT_URLCONF = "shop.urls"

KEYFOB_ISSUER = "http://localhost:8000/auth"
KEYFOB_CLIENT_ID = os.environ["SHOP_ID"]
KEYFOB_CLIENT_SECRET = os.environ["SHOP_SECRET"]
