"""Small words of the templates: icons, badges, numbers and verdicts."""

import re
from functools import lru_cache
from typing import Any

from django import template
from django.conf import settings
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, gettext_lazy, gettext_noop, ngettext

register = template.Library()

STATUS_LOOKS = {  # status -> (class, icon, word)
    "checking": ("tagged-wait", "hourglass-split", gettext_lazy("being checked")),
    "usable": ("tagged-good", "shield-check", gettext_lazy("checks passed")),
    "refused": ("tagged-bad", "x-circle", gettext_lazy("refused")),
    "withdrawn": ("", "archive", gettext_lazy("withdrawn")),
    "queued": ("tagged-wait", "hourglass-split", gettext_lazy("queued")),
    "running": ("tagged-wait", "play-fill", gettext_lazy("running")),
    "done": ("tagged-good", "check-circle", gettext_lazy("done")),
    "failed": ("tagged-bad", "x-circle", gettext_lazy("failed")),
    "cancelled": ("", "slash-circle", gettext_lazy("cancelled")),
}
# Values of manifests and spaces that pages show with {% translate %}, named for `makemessages`.
SHOWN = (gettext_noop("classification"), gettext_noop("regression"), gettext_noop("numeric"), gettext_noop("categorical"), gettext_noop("table"), gettext_noop("text"), gettext_noop("image"))
COUNTED = {  # words beside a count that stands in a long list, where a block of the template for each would cost too much
    "used": lambda n: ngettext("Used in %(n)s job", "Used in %(n)s jobs", n) % {"n": n},
    "uses": lambda n: ngettext("use in jobs", "uses in jobs", n),
    "likes": lambda n: ngettext("like", "likes", n),
    "downloads": lambda n: ngettext("download", "downloads", n),
    "rows": lambda n: ngettext("%(n)s row", "%(n)s rows", n) % {"n": n},
}

@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """An icon of vendor/bootstrap-icons/icons.svg; hidden from screen readers, since words stand beside it."""
    return format_html(
        '<svg class="bi {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        classes,
        static("vendor/bootstrap-icons/icons.svg"),
        name,
    )


@register.simple_tag(takes_context=True)
def nav_item(context: dict, name: str, words: str) -> SafeString:
    """A link of the top bar, marked when its page is open."""
    request = context.get("request")
    here = request is not None and request.resolver_match is not None and request.resolver_match.url_name == name
    mark = mark_safe(' active" aria-current="page') if here else ""
    return format_html('<li class="nav-item"><a class="nav-link{}" href="{}">{}</a></li>', mark, reverse(name), words)


@register.simple_block_tag
def code(content: str, id: str, label: str) -> SafeString:
    """What stands between {% code "id" "Label" %} and {% endcode %}, to be copied with one click."""
    return render_to_string("components/_code.html", {"code": mark_safe(content.strip()), "id": id, "label": label})


@register.simple_tag
def status_badge(status: str) -> SafeString:
    look, sign, word = STATUS_LOOKS.get(status, ("", "info-circle", status))
    return format_html('<span class="tagged {}">{} {}</span>', look, icon(sign), word)


@register.filter
def status_words(status: str) -> str:
    """A status in the words of its badge."""
    return str(STATUS_LOOKS[status][2]) if status in STATUS_LOOKS else status


@register.filter
def ticks(text: Any) -> SafeString:
    """Plain text where `words in backticks` become code."""
    return mark_safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(conditional_escape(str(text or "") if isinstance(text, Promise) else text or ""))))


@register.filter
def unbroken(code: Any) -> SafeString:
    """Code to copy, whose options are not torn behind their hyphens where a narrow window wraps a line."""
    return mark_safe(re.sub(r"(?<=\s)(--?[\w-]+)", r'<span class="text-nowrap">\1</span>', str(conditional_escape(code))))


@register.filter
def predicts(version: Any) -> str:
    """One line on what a version gives back, from its manifest's output."""
    return output_words(version.manifest.get("output") or {})


@register.filter
def output_words(output: dict) -> str:
    if not output:
        return ""
    said = {"target": output.get("target") or gettext("its target"), "unit": output.get("unit")}
    if output.get("kind") == "classes":
        classes = [str(c) for c in output.get("classes") or []]
        said |= {"classes": ", ".join(classes[:4]), "more": len(classes) - 4}
        if len(classes) > 4:
            return gettext("Tells %(target)s apart: %(classes)s and %(more)s more") % said
        return (gettext("Tells %(target)s apart: %(classes)s") if classes else gettext("Predicts the class of %(target)s")) % said
    return (gettext("Predicts %(target)s in %(unit)s") if output.get("unit") else gettext("Predicts %(target)s")) % said


@register.filter
def counted(n: Any, what: str) -> str:
    """The words of COUNTED that go with a count."""
    return COUNTED[what](int(n or 0))


@register.filter
def metric_name(metric: str) -> str:
    """A metric as a sentence begins with it."""
    return "RMSE" if metric == "rmse" else metric[:1].upper() + metric[1:]


@register.filter
def distance(value: Any) -> str:
    """An MMD with three digits behind the point; very small ones say so."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return "–"
    return "< 0.001" if number < 0.001 else f"{number:.3f}"


@register.filter
def gigabytes(size: int) -> str:
    """Bytes as a number of GB, so that a little is not nothing."""
    number = size / 2**30
    if 0 < number < 0.01:
        return "< " + number_format(0.01, 2)
    places = 0 if number == int(number) else 2 if number < 0.1 else 1
    return number_format(round(number, places), places)  # which cuts off what it does not show


@register.filter
def chance(value: Any) -> str:
    """A p-value with two digits that count; more would claim a precision that it has not."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return "–"
    return "< 0.0001" if number < 1e-4 else f"{number:.2g}" if number < 0.1 else f"{number:.2f}"


@register.filter
def file_size(size: int) -> str:
    """Bytes in steps of a thousand, as the scripts and the filters of the catalog say them."""
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= step:
            return f"{size / step:.{1 if size < 99.95 * step else 0}f} {unit}"
    return ngettext("%(n)s byte", "%(n)s bytes", size) % {"n": size}


@register.filter
def percent(value: Any) -> str:
    try:
        number = 100 * float(value)
    except (TypeError, ValueError):
        return "–"
    return f"{number:.0f} %" if number >= 0.95 or number == 0 else "< 1 %"


@register.filter
def figure(value: Any) -> str:
    """A number with about four significant digits, thousands apart by a thin space."""
    if isinstance(value, bool) or value is None:
        return "–"
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    if number != number:
        return "–"
    size = abs(number)
    if size >= 1e9 or (0 < size < 1e-3):
        return f"{number:.3g}"
    if size >= 1000 or number.is_integer():
        return f"{number:,.0f}".replace(",", "\u2009")
    return f"{number:.4g}"


@register.filter
def seconds(value: Any) -> str:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return "–"
    if number < 1:
        return f"{number * 1000:.0f} ms"
    if number < 60:
        return f"{number:.1f} s"
    return gettext("%(minutes)s min %(seconds)s s") % {"minutes": int(number // 60), "seconds": int(number % 60)}


@register.filter
def shape(value: Any) -> str:
    """[3, 4] as 3 × 4; an empty shape is a single number."""
    return " × ".join(str(side) for side in value) if value else gettext("scalar")


@register.filter
def get(mapping: Any, key: str) -> Any:
    return (mapping or {}).get(key)


@register.simple_tag
def level_words(levels: list, most: int = 8) -> SafeString:
    """The levels of a categorical column as small code words, the rest counted."""
    shown = format_html_join(" ", "<code>{}</code>", ((level,) for level in levels[:most]))
    rest = len(levels) - most
    return format_html(gettext("{levels} and {more} more"), levels=shown, more=rest) if rest > 0 else shown


@register.filter
def unlocalized(value: Any) -> str:
    """A number as HTML attributes want it: with a point, whatever the language."""
    try:
        return f"{float(value):.4f}"
    except (TypeError, ValueError):
        return "0"


@lru_cache(maxsize=1)
def _reasons() -> frozenset[str]:
    return frozenset(re.findall(r"^### ([a-z-]+)$", (settings.BASE_DIR / "docs" / "reasons.md").read_text(), re.MULTILINE))


@register.filter
def reason_address(code: str) -> str:
    """Where the documentation says what a reason for refusing a file means; nothing for other codes."""
    return f"{reverse('docs-page', args=['reasons'])}#{code}" if code in _reasons() else ""
