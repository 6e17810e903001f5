"""About how many seconds a hash takes, on one core of today, by its parameters."""

_BCRYPT_OF_COST_12 = 0.25
_ARGON2_KIB = 1e-6
_PBKDF2_ROUND = 3.5e-7
_SCRYPT_BLOCK = 3.6e-7
_CRYPT_ROUND = 2.5e-6  # of SHA-crypt and phpass, whose rounds are Python's, beside other work


def of_bcrypt(cost: int) -> float:
    """`cost` is the log2 of the rounds."""
    return _BCRYPT_OF_COST_12 * 2.0 ** (cost - 12)


def of_argon2(memory_kib: int, passes: int) -> float:
    """Whatever the number of lanes: they share the memory."""
    return _ARGON2_KIB * memory_kib * passes


def of_pbkdf2(rounds: int, blocks: int) -> float:
    """`blocks`: how many outputs of its hash make up the digest."""
    return _PBKDF2_ROUND * rounds * blocks


def of_scrypt(n: int, r: int, p: int) -> float:
    """By the parameters of RFC 7914."""
    return _SCRYPT_BLOCK * n * r * p


def of_crypt(rounds: int) -> float:
    """Return that of SHA-crypt or phpass with the longest password that they are given."""
    return _CRYPT_ROUND * rounds
