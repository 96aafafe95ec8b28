"""The host of extensions: finds them, imports them when they are needed, and hands each what it was granted."""
