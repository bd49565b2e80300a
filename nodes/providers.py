"""Whether a LangChain provider other than OpenAI can be used here, told before a run is started with it."""

from importlib import import_module
from importlib.util import find_spec


def missing(provider: str) -> str | None:
    """What is missing to use `init_chat_model("<provider>:...")`, in words; None when nothing is known to be.

    The provider's own package is looked for and not loaded; a key it wants is its own affair.
    """
    if find_spec("langchain") is None:
        return f"the packages 'langchain' and 'langchain-{provider}': pip install langchain langchain-{provider}"
    # langchain has no public list; should this one go, a provider it does not know fails the first model call instead.
    packages = getattr(import_module("langchain.chat_models.base"), "_BUILTIN_PROVIDERS", None)
    if not isinstance(packages, dict):
        return None
    if provider not in packages:
        return f"a provider langchain knows, not {provider!r}; there are: {', '.join(('offline', *packages))}"
    package = str(packages[provider][0]).partition(".")[0]
    if find_spec(package) is None:
        name = package.replace("_", "-")
        return f"the package {name!r}: pip install {name}"
    return None
