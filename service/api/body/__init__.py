"""How request bodies are received, bounded and parsed."""
