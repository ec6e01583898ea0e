"""Which shots of a class show the same."""

from model.contract import SupportPrototype


def appearance(shot: SupportPrototype) -> tuple[bytes, bytes]:
    """Equal for shots of the same image and mask: by their vectors, as tokens may be thinned."""
    return shot.affinity.tobytes(), shot.guided.tobytes()
