"""Names and sizes that both ends of the wire must agree on."""

SESSION_HEADER = "X-Session-ID"
KEY_HEADER = "X-API-Key"
IDEMPOTENCY_HEADER = "Idempotency-Key"
ARCHIVE_MEDIA_TYPE = "application/vnd.fss.session+safetensors"
SESSION_ID_BYTES = 24
"""Random bytes of a session's id, which is written as URL-safe base64."""
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff"}
)
"""Suffixes of the files in a folder or a zip that are taken for images."""
# What file systems keep for themselves, mostly unreadable, at the root of a disk.
SYSTEM_FOLDERS = frozenset({"lost+found", "System Volume Information", "$RECYCLE.BIN"})
