"""Names and sizes that both ends of the wire must agree on."""

SESSION_HEADER = "X-Session-ID"
EVENTS_PING_S = 15
"""At least so often a stream of events sends something."""
KEY_HEADER = "X-API-Key"
IDEMPOTENCY_HEADER = "Idempotency-Key"
ARCHIVE_MEDIA_TYPE = "application/vnd.fss.session+safetensors"
MAX_CLASSES = 254
"""Most classes of a label map: 0 is the background, and readers take 255 for pixels to ignore."""
SESSION_ID_BYTES = 24
"""Random bytes of a session's id, which is written as URL-safe base64."""
