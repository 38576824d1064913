"""What must happen on the server in one step."""

from __future__ import annotations

__all__ = ["ANYTHING", "STORE", "expire", "release"]

STORE = b"""
if ARGV[1] ~= '*' then
  local there = redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] > 0 and #ARGV[1] - 1 or 0)
  if there ~= '' and there ~= ARGV[1] then return 0 end
end
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
"""
"""Store ARGV[3] in KEYS[1] for ARGV[4] ms, only over nothing or what begins with ARGV[1], and only while the version in
KEYS[2] is ARGV[2]. Returns 1 if it was stored."""

ANYTHING = b"*"
"""As ARGV[1] of `STORE`: over whatever is there."""

RELEASE = b"""
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('UNLINK', KEYS[1]) end
return 0
"""
"""Delete the lock KEYS[1] if it holds the token ARGV[1]."""


EXPIRE = b"""
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
"""Give KEYS[1] ARGV[2] ms more if it begins with ARGV[1]."""


def expire(name: bytes, seen: bytes, milliseconds: int) -> tuple[bytes | str | int, ...]:
    """Return the command that gives what was *seen* as *name* another life; what came there since keeps its own."""
    return ("EVAL", EXPIRE, 1, name, seen, milliseconds)


def release(lock: bytes, token: bytes) -> tuple[bytes | str | int, ...]:
    """Return the command that lets go of *lock*, if it holds *token*."""
    return ("EVAL", RELEASE, 1, lock, token)
