"""Sign in and sign out. Signing out is a POST, like everything that changes something."""

from __future__ import annotations

from django.contrib.auth.views import LoginView as DjangoLoginView
from django.contrib.auth.views import LogoutView as DjangoLogoutView

from dataprotect.ops.forms import LoginForm


class LoginView(DjangoLoginView):
    template_name = "ops/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True


class LogoutView(DjangoLogoutView):
    http_method_names = ["post", "options"]
