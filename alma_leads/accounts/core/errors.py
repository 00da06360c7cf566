"""What can go wrong with users, passwords, links and keys, named for what happened. Knows no HTTP."""

from __future__ import annotations


class AccountError(Exception):
    """Something about an account that the caller must handle."""


class UserExists(AccountError):
    """Someone already has this address."""

    def __init__(self, email: str) -> None:
        super().__init__(f"{email} has an account already.")
        self.email = email


class UserNotFound(AccountError):
    """Nobody has this address."""

    def __init__(self, email: str) -> None:
        super().__init__(f"Nobody has the address {email}.")
        self.email = email


class BadName(AccountError):
    """The name is empty, too long, or contains line breaks or control characters."""


class AlreadyActivated(AccountError):
    """The user can sign in, so there is no invitation."""

    def __init__(self, email: str) -> None:
        super().__init__(f"{email} has come in already.")
        self.email = email


class InvitationPending(AccountError):
    """The user was invited and has no password to reset."""

    def __init__(self, email: str) -> None:
        super().__init__(f"{email} has not come in yet. Send the invitation again.")
        self.email = email


class AccountDeactivated(AccountError):
    """The user was deactivated."""

    def __init__(self, email: str) -> None:
        super().__init__(f"{email} is turned off. Turn the account on first.")
        self.email = email


class LastAdministrator(AccountError):
    """Without this user nobody could manage the application."""

    def __init__(self, email: str) -> None:
        super().__init__(f"{email} is the last active administrator. Make another one first.")
        self.email = email


class LinkExpired(AccountError):
    """The one-time link was used, is too old, or never existed."""


class WeakPassword(AccountError):
    """The password cannot be used; the text says why, as a plain sentence."""


class PasswordsOff(AccountError):
    """Nobody has a password here."""

    def __init__(self) -> None:
        super().__init__("Nobody has a password here. Sign in with your work account.")


class TooManyAttempts(AccountError):
    """Too many sign-ins failed: wait."""

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(f"Too many sign-ins failed. Wait {wait_seconds} seconds.")
        self.wait_seconds = wait_seconds


class KeyRefused(AccountError):
    """A key cannot be created like this: `errors` has a sentence for each field (name, scopes, networks, expires)."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors


class KeyNotFound(AccountError):
    """There is no such key."""

    def __init__(self) -> None:
        super().__init__("There is no such key.")


class KeyNotAllowedFromAddress(AccountError):
    """The key is active, but not allowed from the address that sent it."""

    def __init__(self, address: str) -> None:
        super().__init__(f"This key may not be used from {address or 'here'}. Ask an administrator to allow it.")
        self.address = address


class SessionExpired(AccountError):
    """The session that something was done in has ended in the meantime."""


class SecondFactorRequired(AccountError):
    """The last second factor stays, since the firm requires one of everyone."""


class NoSecondFactor(AccountError):
    """The user has neither an app nor a passkey."""


class NoPasskeysHere(AccountError):
    """Browsers allow no passkeys at the address of this installation."""

    def __init__(self) -> None:
        super().__init__("Passkeys need a PUBLIC_URL with https:// and a name, not an IP address.")


class PasskeyRefused(AccountError):
    """The passkey cannot be added; the text says why, as a plain sentence."""


class LastCredential(AccountError):
    """Without this credential the user could no longer sign in."""

    def __init__(self) -> None:
        super().__init__("This is your only way in, so it stays. Add another passkey first.")
