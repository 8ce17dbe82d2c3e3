"""What a user can put right, told apart from what is our bug."""

import importlib.util


class UserError(ValueError):
    """A mistake that the message tells how to cure; the command line prints it as one line, without a traceback."""


def need(command, *packages):
    """Refuse early, before any work is lost, if packages of the extra `zoo` are missing.

    Args:
        command: The command line that needs them, such as `"keras-mixup run"`.
        *packages: Pairs of the module to import and the name to install.

    Raises:
        UserError: If any is missing; the message says what to install.
    """
    missing = [name for module, name in packages if importlib.util.find_spec(module) is None]
    if missing:
        raise UserError(f"`{command}` needs {' and '.join(missing)}. Install it with: pip install 'keras-mixup[zoo]'")
