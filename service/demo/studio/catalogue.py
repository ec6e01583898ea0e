"""Every sample picture; a name that begins with `support_` defines a class, `query_` asks."""

from service.demo.studio.castings import CASTINGS
from service.demo.studio.picture import Picture
from service.demo.studio.still_lifes import STILL_LIFES

PICTURES: tuple[Picture, ...] = (*STILL_LIFES, *CASTINGS)
