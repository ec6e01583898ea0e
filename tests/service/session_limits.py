"""What sessions may hold in tests that ask for no other limits."""

from service.stores import SessionLimits

LIMITS = SessionLimits(
    ttl_s=3600.0,
    max_classes=64,
    max_shots=64,
    max_owner_sessions=1000,
    max_owner_bytes=256 * 1024 * 1024,
)
