"""The addresses of the views."""

from django.urls import path

from shop.views import keyfob, offers, orders, stock

urlpatterns = [
    path("orders", orders),
    path("offers", offers),
    path("stock", stock),
    *keyfob.urls,
]
