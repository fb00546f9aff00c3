"""Workers show no pages, and the tests of `ops` do not lean on the rooms above it."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
