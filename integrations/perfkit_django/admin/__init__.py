"""A line in Django's admin that leads staff to the dashboard.

Django's admin imports the module ``admin`` of each installed app, so this is imported where there is an admin and
nowhere else. No template is overridden: the line is one more app in the list that an admin site gives to whatever
templates it has.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import get_script_prefix

from perfkit_django.lifecycle import lifecycle

__all__ = ["add_link"]

LABEL = "perfkit"


def add_link(site: admin.AdminSite) -> None:
    """Have *site* list the dashboard, for those who may see it; called again for the same site it does nothing.

    Django's own ``admin.site`` has it already. It shows where ``access.access`` is ``"staff"``: with any other, the
    admin does not know who would get in.
    """
    if getattr(site, "lists_perfkit", False):
        return
    found: Any = getattr(site, "_wrapped", site)  # Django's own site is made when it is first needed, as just now
    own = vars(found).get("get_app_list")

    def listed(*given: Any) -> Any:
        # The class is asked at each call: a project may replace its method, and may do so after this.
        return own(*given) if own is not None else type(found).get_app_list(found, *given)

    def get_app_list(request: Any, app_label: str | None = None) -> list[Any]:
        """Return the apps of the site and, where all are wanted, ours."""
        if app_label is not None:
            given: list[Any] = listed(request, app_label)
            return given
        return [*listed(request), *_entry(request)]

    found.get_app_list, found.lists_perfkit = get_app_list, True


def _entry(request: Any) -> list[dict[str, Any]]:
    """Return our entry for who made *request*, in the words of `AdminSite.get_app_list`; nothing for others."""
    url, user = lifecycle().dashboard, getattr(request, "user", None)
    if not url or getattr(user, "is_active", False) is not True or getattr(user, "is_staff", False) is not True:
        return []
    url = f"{get_script_prefix().rstrip('/')}{url}/"
    page = {
        "name": "Performance",
        "object_name": "Performance",
        "model": None,
        "perms": {"add": False, "change": False, "delete": False, "view": True},
        "admin_url": url,
        "add_url": None,
        "view_only": True,
    }
    return [{"name": "perfkit", "app_label": LABEL, "app_url": url, "has_module_perms": True, "models": [page]}]


add_link(admin.site)
