"""Why a request waits or is refused, in sentences for the person who made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.model import Denial, Share
from gpudock.policy.scheduling.placement import eligible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpudock.model import GPU, Request
    from gpudock.policy.scheduling.capacity import Floor
    from gpudock.policy.scheduling.demand import Wish

FORMER_CONTAINER = "The former container of this server is still being stopped."


def more_out(count: int) -> str:
    """Say that *count* devices out of service would fit too: an addition to another sentence."""
    if not count:
        return ""
    return f" {count} more {'is' if count == 1 else 'are'} out of service."


def in_the_way(wish: Wish) -> str:
    """Say why a request whose wish is possible cannot start now."""
    for stock in wish.stocks:
        if stock.idle:
            break
    else:
        what = "slots of shared GPUs" if wish.shared else "GPUs"
        # What is in use stays in use in this round, so the sentence holds for all who follow.
        wish.full = f"All {what} that fit are in use.{wish.more_out}"
        return wish.full
    ahead = wish.ahead()
    if ahead == 1:
        return f"1 request is ahead of this one for the GPUs that fit.{wish.more_out}"
    if ahead:
        return f"{ahead} requests are ahead of this one for the GPUs that fit.{wish.more_out}"
    for stock in wish.stocks:
        for unit, why in stock.unready:
            if not unit.taken:
                return f"A GPU that fits cannot be granted yet. {why or ''}".rstrip()
    idle = sum(stock.idle for stock in wish.stocks)
    if idle >= wish.count:
        return (
            f"This server needs {wish.count} GPUs of one host at once; {idle} that fit are free,"
            f" but not so many in one host.{wish.more_out}"
        )
    return (
        f"This server needs {wish.count} GPUs at once, and {idle} that fit are free.{wish.more_out}"
    )


def out_of_service(wish: Wish, floor: Floor) -> str:
    """Say why a wish is not possible with the devices in service."""
    if not floor.stocks:
        return "No GPU of this lab is known at the moment."
    if not wish.stocks:
        return "No GPU of this lab fits this server at the moment."
    serving = sum(stock.serving for stock in wish.stocks)
    if wish.count == 1:
        text = "The GPUs that fit are out of service."
    elif serving >= wish.count:
        text = (
            f"This server needs {wish.count} GPUs of one host; {serving} that fit are in service,"
            " but not so many in one host."
        )
    else:
        text = f"This server needs {wish.count} GPUs and {serving} that fit are in service."
    why = next((why for stock in wish.stocks for why in stock.out if why), None)
    return f"{text} {why}" if why else text


def impossible(
    request: Request,
    allowed: tuple[str, ...] | None,
    lab: Sequence[GPU],
    offered: Sequence[GPU],
    fitting: Sequence[GPU],
) -> Denial:
    """Refuse what the lab cannot give, however long one waits.

    Args:
        request: the wish.
        allowed: the patterns of models that its user's quota allows; ``None``: all.
        lab: all devices.
        offered: those that are shared, or those that are not, as the request wants them.
        fitting: those of them whose models fit.
    """
    shared = request.share is Share.SHARED
    models = ", ".join(sorted({gpu.model for gpu in offered}))
    kind = "shared GPU" if shared else "GPU"
    if not lab:
        message = "This lab has no GPU at the moment. Ask for a server without a GPU."
    elif not offered and shared:
        message = "This lab does not share GPUs between users. Ask for an exclusive GPU."
    elif not offered:
        message = "All GPUs of this lab are shared between users. Ask for a slot of a shared GPU."
    elif fitting:
        message = (
            f"A server asks for {request.gpus} GPUs of one host, and this lab has not as many that"
            " fit. Ask for fewer GPUs, or for another model."
        )
    elif not eligible(request, offered, None):
        message = (
            f"No {kind} of this lab matches the model «{request.gpu_model}». It has: {models}."
            " Choose one of these, or any model."
        )
    else:
        message = (
            f"Your quota allows the models {', '.join(allowed or ()) or 'of no kind'}, and the"
            f" {kind}s of this lab that you ask for are: {models}. Ask an administrator for a"
            " quota that fits."
        )
    return Denial("impossible", message)
