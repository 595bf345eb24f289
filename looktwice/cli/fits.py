"""The table of `looktwice models check`: what of a profile fits which memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.profiles import Profile


def show_fits(profile: Profile, measured: dict[str, int]) -> None:
    """Prints the weights of each role in several forms, and the smallest GPU for each form.

    Args:
        profile: whose checkpoints.
        measured: bytes of the tensors of each model that was loaded, by role.
    """
    from rich.console import Console
    from rich.markup import escape

    from evals.fits import FORMS, SPARE, SPARE_GIB, profile_weights, smallest_gpu

    out = Console(highlight=False, soft_wrap=True)
    weights = profile_weights(profile)
    if not weights:
        return
    out.print(f"GiB of weights, computed{'; measured as loaded here' if measured else ''}:")
    out.print("  " + f"{'role':<10}{'weights':>9}" + "".join(f"{form:>10}" for form in FORMS) + f"{'measured':>10}")
    for row in weights:
        count = (row.matrices + row.others) / 1e6
        forms = "".join(f"{row.gib(form):>10.2f}" for form in FORMS)
        loaded = f"{measured[row.role] / 2**30:>10.2f}" if row.role in measured else f"{'-':>10}"
        out.print(f"  {row.role:<10}{count:>7.0f} M{forms}{loaded}  {escape(row.source)}")
    totals = {form: sum(row.gib(form) for row in weights) for form in FORMS}
    out.print(f"  {'all':<10}{'':>9}" + "".join(f"{total:>10.2f}" for total in totals.values()))
    gpus = {form: smallest_gpu(total) for form, total in totals.items()}
    out.print(f"  {'GPU, GB':<10}{'':>9}" + "".join(f"{gpu or 'none':>10}" for gpu in gpus.values()))
    out.print(
        f"columns: the narrator's form; GPU: the smallest of common ones for the weights, {SPARE - 1:.0%} more and "
        f"{SPARE_GIB:.0f} GiB, computed, not tried"
    )
