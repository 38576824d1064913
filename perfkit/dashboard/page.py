"""What a page is: its entry in the table of pages, what it gathers, what it shows, what it says as JSON."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import msgspec

from perfkit.dashboard.parameters import Given, Parameter

if TYPE_CHECKING:
    from perfkit.dashboard.data import OverviewData
    from perfkit.dashboard.html import Child
    from perfkit.system import PerformanceSystem

__all__ = ["Entry", "Page"]

Found = TypeVar("Found")


class Page(Generic[Found]):
    """One page. Stateless: one object serves all threads. A page overrides the verbs that it needs.

    Attributes:
        parameters: What its query may say, each with its bounds.
    """

    parameters: ClassVar[Mapping[str, Parameter]] = {}

    def gather(self, system: PerformanceSystem, shown: OverviewData, given: Given) -> Found | None:
        """Return what the page shows beyond *shown*; asked for at most once a second for each view.

        It must not wake a component that sleeps: ask only for those that are in `Entry.component`, which is awake.
        """
        return None

    def title(self, shown: OverviewData, found: Found | None, given: Given) -> str:
        """Return what stands in the browser's tab; empty for the name of the page."""
        return ""

    def content(self, shown: OverviewData, found: Found | None, given: Given) -> Child:
        """Return the page without its frame."""
        raise NotImplementedError

    def document(self, shown: OverviewData, found: Found | None, given: Given) -> Mapping[str, object]:
        """Return the same as JSON; version, time and service are put in front of it."""
        raise NotImplementedError


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table of pages.

    Attributes:
        name: The last part of its URL, one level below the mount; empty for the overview.
        title: What the navigation calls it; empty for a page that others lead to.
        key: The letter that goes to it after ``g``; empty for none.
        component: The word of the component that it shows: the page says so where that is off or asleep.
        below: The name of the page of the navigation that it belongs to, where it is not there itself.
        made_by: Module in `perfkit.dashboard.pages`, and the name of the `Page` in it.
        has_document: Its JSON is that of `Page.document`; False where somebody else answers ``api/<name>``.
        badge: What its badge counts: ``findings`` (those of `component`), ``advice`` (all), ``health``, ``alerts``.
    """

    name: str
    made_by: str
    title: str = ""
    key: str = ""
    component: str = ""
    below: str = ""
    badge: str = ""
    has_document: bool = True

    @property
    def url(self) -> str:
        """Its URL relative to any other page."""
        return f"./{self.name}"

    def path(self, mount: str) -> str:
        """Return its path below *mount*."""
        return f"{mount}/{self.name}"

    def document_path(self, mount: str) -> str:
        """Return the path of its JSON below *mount*."""
        return f"{mount}/api/{self.name or 'overview'}"

    def load(self) -> Page[object]:
        """Return the page; its module is imported at the first time."""
        module, _, attribute = self.made_by.partition(":")
        page: Page[object] = getattr(importlib.import_module(f"perfkit.dashboard.pages.{module}"), attribute)
        return page
