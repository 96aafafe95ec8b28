"""The composition root: settings in, objects joined, and nobody else reaches for anything."""
