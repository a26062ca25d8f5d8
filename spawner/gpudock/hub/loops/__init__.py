"""What the hub does again and again, besides starting servers."""
