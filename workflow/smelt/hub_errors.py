"""What the client of the Hugging Face hub raises, for models and data sets, as one line that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from smelt.environment import hide_secrets
from smelt.errors import SmeltError


class Unreachable(SmeltError):
    """The hub does not answer, and its cache lacks what was asked for."""


@contextmanager
def hub_errors(where: str, what: str = "model", address: str = "") -> Iterator[None]:
    """Turn what the hub's client raises into one line.

    Args:
        where: names what is fetched, or what asks for it.
        what: kind of repository: model, data set.
        address: names what is fetched, if `where` names what asks for it.

    Raises:
        SmeltError: the hub does not give what was asked for.
    """
    from huggingface_hub import errors

    at = f"{address}: " if address else ""
    try:
        yield
    except SmeltError:
        raise
    except errors.GatedRepoError:
        mend = "accept its terms on the hub, log in (`hf auth login`) and run again"
        raise SmeltError(where, f"{at}is gated: {mend}") from None
    except errors.RevisionNotFoundError:
        found = f"the hub has the {what} but no such revision"
        raise SmeltError(where, f"{at}{found}: expected a commit of its history") from None
    except errors.RepositoryNotFoundError:
        found = f"the hub has no such {what}, or it is private"
        raise SmeltError(where, f"{at}{found}: check the name, or log in") from None
    except errors.HFValidationError:
        expected = f"organisation/{what.replace(' ', '-')}"
        raise SmeltError(where, f"{at}is no name of a {what} on the hub: expected {expected}") from None
    except errors.RemoteEntryNotFoundError:
        raise SmeltError(where, f"{at}the hub has the {what} but no such file") from None
    except Exception as error:  # without a network it is one of the client's HTTP library
        reason = " ".join(hide_secrets(str(error.__cause__ or error)).split())[:200]
        found = f"cannot be fetched from the hub and is not whole in its cache ({reason})"
        raise Unreachable(where, f"{at}{found}. Check the network and run again") from None
