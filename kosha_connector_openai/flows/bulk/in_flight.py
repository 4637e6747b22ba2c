"""How many rows are under way at most."""

from __future__ import annotations


class InFlight:
    """How many rows are under way at most: grows with answers, shrinks where the server is too busy (AIMD)."""

    def __init__(self, most: int, start: int = 8) -> None:
        self.most = self._allowed = most
        self.size = min(start, most)
        self._grown: float = self.size
        self._slow = False
        self._shrunk = 0.0

    def allow(self, part: float) -> None:
        """Part of them is for others."""
        self._allowed = max(1, int(self.most * part))
        self.size = min(int(self._grown), self._allowed)

    def answered(self) -> bool:
        """One more answer; whether there is room for one more row."""
        if self.size >= self._allowed:
            return False
        self._grown = min(self._allowed, self._grown + (1 / self._grown if self._slow else 1))
        before, self.size = self.size, int(self._grown)
        return self.size > before

    def busy(self, now: float) -> None:
        """The server is too busy; counts once a second."""
        if now - self._shrunk >= 1.0:
            self._shrunk, self._slow = now, True
            self._grown = max(1.0, self._grown * 0.7)
            self.size = int(self._grown)
