"""A model of sessions in as few lines as possible: no database, no cryptography, no HTTP."""

from dataclasses import dataclass, field

GRACE, TOKEN_TTL, IDLE_TTL, MAX_TTL = 10, 300, 12 * 3600, 36 * 3600
KNOWN_ROTATIONS = 5


@dataclass(eq=False)
class User:
    """An account, and the role that its next tokens get."""

    email: str
    role: str = "user"
    blocked: bool = False
    generation: int = 0
    sessions: list["Session"] = field(default_factory=list)

    def begin_generation(self) -> None:
        """Revoke all earlier tokens; live sessions get the new claims at the next refresh."""
        self.generation += 1
        for session in self.sessions:
            if not session.ended:
                session.user_generation = self.generation


@dataclass(eq=False)
class Session:
    """The whole truth of one session; times are in seconds."""

    user: User
    id: str
    opened_at: float
    active_at: float
    rotations: list[float] = field(default_factory=list)
    generation: int = 0
    user_generation: int = 0
    ended: bool = False

    def lives(self, now: float) -> bool:
        return not self.ended and now < min(self.opened_at + MAX_TTL, self.active_at + IDLE_TTL)

    def refresh(self, generation: int, now: float) -> bool:
        """Present a refresh token of that generation; return whether it is honoured."""
        if not self.lives(now):
            return False
        if generation == self.generation:
            self.generation += 1
            self.rotations.append(now)
            self.active_at = now
            return True
        if self.would_replay(generation, now):
            return True
        self.ended = not self.was_used_lately(generation, now)
        return False

    def would_replay(self, generation: int, now: float) -> bool:
        latest = generation == self.generation - 1
        return self.lives(now) and latest and self.was_used_lately(generation, now)

    def was_used_lately(self, generation: int, now: float) -> bool:
        """Tell whether the use of that generation is recorded (the last five are) and recent."""
        known = generation >= self.generation - KNOWN_ROTATIONS
        return known and now < self.rotations[generation] + GRACE


@dataclass(eq=False)
class Held:
    """A pair of tokens that somebody holds: the client, or a thief."""

    session: Session
    generation: int
    user_generation: int
    access: str
    refresh: str
    issued_at: float
    signed_by_dropped_key: bool = False

    def verifies(self, now: float) -> bool:
        ends_at = min(self.issued_at + TOKEN_TTL, self.session.opened_at + MAX_TTL)
        return now < ends_at and not self.signed_by_dropped_key

    def grants_access(self, now: float) -> bool:
        revoked = self.session.ended or self.user_generation < self.session.user.generation
        return self.verifies(now) and not revoked

    def __repr__(self) -> str:
        return f"<generation {self.generation} of {self.session.id[-4:]}>"
