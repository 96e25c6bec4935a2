"""One file per family; each handler asks one service."""
