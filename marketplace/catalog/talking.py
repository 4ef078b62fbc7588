"""What people say of a learnware: likes, comments, the owner's card, reports and what a moderator decides."""

import logging
import time
from datetime import timedelta
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from marketplace.accounts import notices
from marketplace.accounts.models import User
from marketplace.accounts.services import may_write
from marketplace.catalog import cards, services
from marketplace.catalog.models import Comment, Learnware, Like, Report, Version
from marketplace.errors import Refused
from reuse.manifest import MAX_CARD

log = logging.getLogger(__name__)
A_MINUTE = 30  # comments and, apart from them, reports that one person may write
PREVIEWS_A_MINUTE = 20
MAX_COMMENT, MAX_WORDS = 5_000, 2_000


# --- likes ------------------------------------------------------------------------------------


@transaction.atomic
def like(learnware: Learnware, by: User) -> int:
    """Like it, once; returns how many do."""
    _, fresh = Like.objects.get_or_create(learnware=learnware, user=by)
    return _liked(learnware, 1 if fresh else 0)


@transaction.atomic
def unlike(learnware: Learnware, by: User) -> int:
    """Take a like back; returns how many are left."""
    gone, _ = Like.objects.filter(learnware=learnware, user=by).delete()
    return _liked(learnware, -gone)


def _liked(learnware: Learnware, change: int) -> int:
    # The like's own row is unique, so the count moves once for each; an expression, so that two at once both count.
    if change:
        Learnware.objects.filter(pk=learnware.pk).update(likes_count=F("likes_count") + change)
        learnware.refresh_from_db(fields=["likes_count"])
    return learnware.likes_count


# --- the owner's card -------------------------------------------------------------------------


def preview(by: User, card: str) -> str:
    """A card as it would be shown; nothing is kept. Raises Refused for whoever asks more often than one writes."""
    key = f"card-preview:{by.pk}:{int(time.time()) // 60}"
    cache.add(key, 0, 120)
    if cache.incr(key) > PREVIEWS_A_MINUTE:
        raise Refused("too-many-requests", f"A card is shown at most {PREVIEWS_A_MINUTE} times a minute before it is saved.", hint="Wait a minute, or save it.", status=429)
    return cards.render(card)


@transaction.atomic
def write_card(learnware: Learnware, by: User, card: str) -> None:
    """Put a card in place of those of the versions; an empty one gives way to them again. Search by words follows what is shown."""
    if not may_write(by, learnware.owner):
        raise Refused("not-yours", "Only those who may write for its owner may change the card.", status=403)
    card = card.replace("\r\n", "\n").strip()
    if len(card) > MAX_CARD:
        raise Refused("card-too-long", f"A card has at most {MAX_CARD:,} characters; this one has {len(card):,}.", hint="Shorten it.", fields={"card": "Too long."})
    learnware.card, learnware.card_html = card, cards.render(card) if card else ""
    learnware.card_edited, learnware.card_made = timezone.now() if card else None, cards.MADE if card else ""
    learnware.save(update_fields=["card", "card_html", "card_made", "card_edited"])
    for version in learnware.versions.select_related("space"):
        words = services.words(learnware.owner, version.manifest, version.space, learnware.card)
        Version.objects.filter(pk=version.pk).update(words=words)


# --- comments ---------------------------------------------------------------------------------


def comments(learnware: Learnware, reader: Any) -> QuerySet[Comment]:
    """What a reader may see of the discussion, oldest first: hidden comments only as staff or as those who wrote or hid them."""
    said = Comment.objects.filter(learnware=learnware).select_related("author")
    if may_write(reader, learnware.owner):
        return said
    return said.filter(Q(is_hidden=False) | Q(author_id=reader.pk)) if reader.is_authenticated else said.filter(is_hidden=False)


def say(learnware: Learnware, by: User, words: str) -> Comment:
    """Write a comment; its owner hears of it."""
    words = _checked(words)
    _not_too_often(Comment.objects.filter(author=by), "comments")
    comment = Comment.objects.create(learnware=learnware, author=by, words=words, html=cards.comment(words))
    if learnware.owner_id != by.pk:
        _tell(learnware.owner, "comment", format_lazy(gettext_lazy("{name} commented on {learnware}: {words}"), name=by.username, learnware=learnware.name, words=_short(words)), f"{learnware.get_absolute_url()}#discussion")
    return comment


def reword(comment: Comment, by: User, words: str) -> None:
    """Change one's own comment."""
    if comment.author_id != by.pk:
        raise Refused("not-yours", "Only whoever wrote a comment may change it.", status=403)
    comment.words = _checked(words)
    comment.html, comment.edited = cards.comment(comment.words), timezone.now()
    comment.save(update_fields=["words", "html", "edited"])


def unsay(comment: Comment, by: User) -> None:
    """Delete one's own comment."""
    if comment.author_id != by.pk:
        raise Refused("not-yours", "Only whoever wrote a comment may delete it; the owner may hide it.", status=403)
    comment.delete()


def hide(comment: Comment, by: User, *, hidden: bool = True) -> None:
    """Hide a comment, or show it again: for those who write for the learnware's owner, and for staff."""
    if not may_write(by, comment.learnware.owner):
        raise Refused("not-yours", "Only the learnware's owner and moderators may hide a comment.", status=403)
    comment.is_hidden = hidden
    comment.save(update_fields=["is_hidden"])
    log.info("comment %s %s by %s", comment.pk, "hidden" if hidden else "shown", by.username)


def _checked(words: str) -> str:
    words = words.replace("\r\n", "\n").strip()
    if not 1 <= len(words) <= MAX_COMMENT:
        raise Refused("wrong-words", f"A comment has 1 to {MAX_COMMENT:,} characters; got {len(words):,}.", fields={"words": f"1 to {MAX_COMMENT:,} characters."})
    return words


def _not_too_often(written: QuerySet, what: str) -> None:
    if written.filter(created__gt=timezone.now() - timedelta(minutes=1)).count() >= A_MINUTE:
        raise Refused("too-many", f"One person may write {A_MINUTE} {what} a minute.", hint="Wait a minute and send it again.", status=429)


# --- reports ----------------------------------------------------------------------------------


def complain(learnware: Learnware, by: User, *, reason: str, words: str = "", comment: Comment | None = None) -> Report:
    """Report a learnware, or a comment on it, to the moderators."""
    words = words.replace("\r\n", "\n").strip()
    if reason not in Report.Reason.values:
        raise Refused("wrong-reason", f"A reason is one of {', '.join(Report.Reason.values)}; got {reason[:40]!r}.", fields={"reason": "Choose one."})
    if len(words) > MAX_WORDS:
        raise Refused("wrong-words", f"A report has at most {MAX_WORDS:,} characters; got {len(words):,}.", fields={"words": "Too long."})
    _not_too_often(Report.objects.filter(reporter=by), "reports")
    if Report.objects.filter(learnware=learnware, comment=comment, reporter=by, state=Report.State.OPEN).exists():
        raise Refused("reported-already", "You have reported this already, and a moderator will look at it.", status=409)
    return Report.objects.create(learnware=learnware, comment=comment, reporter=by, reason=reason, words=words)


@transaction.atomic
def uphold(report: Report, by: User) -> None:
    """Agree with a report: the comment is hidden, or every usable version of the learnware is withdrawn. Both sides hear of it."""
    _decide(report, by, Report.State.UPHELD)
    learnware = report.learnware
    if report.comment is not None:
        hide(report.comment, by)
        done, whose = gettext_lazy("the comment on {learnware} is hidden."), report.comment.author
    else:
        for version in Version.objects.usable().filter(learnware=learnware).whole():
            services.withdraw(version, by)
        done, whose = gettext_lazy("{learnware} is withdrawn."), learnware.owner
    done = format_lazy(done, learnware=str(learnware))
    _tell(report.reporter, "report", format_lazy(gettext_lazy("A moderator agreed with your report: {done}"), done=done), learnware.get_absolute_url())
    if whose.pk != report.reporter_id:
        _tell(whose, "moderation", format_lazy(gettext_lazy("A moderator decided on a report ({reason}): {done}"), reason=report.get_reason_display(), done=done), learnware.get_absolute_url())


@transaction.atomic
def dismiss(report: Report, by: User) -> None:
    """Decide that nothing needs to be done; the reporter hears of it."""
    _decide(report, by, Report.State.DISMISSED)
    _tell(report.reporter, "report", format_lazy(gettext_lazy("A moderator looked at your report on {learnware} and found nothing to act on."), learnware=str(report.learnware)), report.learnware.get_absolute_url())


def _decide(report: Report, by: User, state: str) -> None:
    if not by.is_staff:
        raise Refused("not-allowed", "Only moderators decide on reports.", status=403)
    # One UPDATE with the old state in its WHERE: of two moderators, one decides.
    if not Report.objects.filter(pk=report.pk, state=Report.State.OPEN).update(state=state, decided_by=by, decided=timezone.now()):
        report.refresh_from_db()
        raise Refused("decided", f"This report is {report.get_state_display()} already.", status=409)
    report.refresh_from_db()


def open_reports() -> Count:
    """To annotate learnwares with: how many reports on each wait for a decision."""
    return Count("reports", filter=Q(reports__state=Report.State.OPEN))


def tell_withdrawn(version: Version) -> None:
    """The owner hears that a moderator has withdrawn a version."""
    _tell(version.learnware.owner, "moderation", format_lazy(gettext_lazy("A moderator has withdrawn {reference}."), reference=version.reference), version.get_absolute_url())


def _tell(user: User | None, kind: str, words: Any, address: str) -> None:
    if user is not None:
        notices.tell(user, kind, words, address)


def _short(words: str, most: int = 120) -> str:
    line = " ".join(words.split())
    return line if len(line) <= most else line[: most - 1] + "…"


__all__ = ["comments", "complain", "dismiss", "hide", "like", "open_reports", "reword", "say", "tell_withdrawn", "unlike", "unsay", "uphold", "write_card"]
