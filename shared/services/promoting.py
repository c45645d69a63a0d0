"""A secret version that was just written comes into use, by one row write."""

from __future__ import annotations

from collections.abc import Callable

from shared.domain.connection import Row
from shared.domain.errors import ConcurrentChange
from shared.services.discarding import discard
from shared.services.ports import Stored, StoredVersion, Vault
from shared.services.rows import Rows


async def promote(
    rows: Rows,
    vault: Vault,
    begun: Stored,
    version: StoredVersion,
    *,
    is_same: Callable[[Row], bool],
    in_use: Callable[[Row], Row],
) -> Stored | None:
    """Write `in_use` of the newest row, as long as `is_same`: that has the try under way which `begun` wrote down.

    Callers' edits meanwhile are no obstacle; another attempt's, or another credential, is: then the version is made
    unreadable and `ConcurrentChange` raised. None when there is no row any more.
    """

    def promoted(row: Row) -> Row:
        if row.active_version == version.id:
            return row  # our own write won, its answer was lost, and somebody wrote since
        if not is_same(row):
            raise ConcurrentChange
        return in_use(row)

    try:
        return await rows.change_from(begun, promoted)
    except ConcurrentChange:
        await discard(vault, version.id, connection_id=begun.row.id)
        raise
