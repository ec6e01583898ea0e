"""Every sample picture; a name that begins with `support_` defines a class, `query_` asks."""

from tests.studio.castings import CASTINGS
from tests.studio.picture import Picture
from tests.studio.still_lifes import STILL_LIFES

PICTURES: tuple[Picture, ...] = (*STILL_LIFES, *CASTINGS)
