"""What the classes of models share: scikit-learn's manners."""

from __future__ import annotations

import html
import inspect
from typing import Any, Dict, TypeVar

E = TypeVar("E", bound="Estimator")


class Estimator:
    """Options are attributes of the names of ``__init__``; the trained model of Go's is ``_go``."""

    def get_params(self, deep: bool = True) -> Dict[str, Any]:
        """The options by name."""
        return {k: getattr(self, k) for k in inspect.signature(type(self)).parameters}

    def set_params(self: E, **params: Any) -> E:
        """Sets options for the next ``fit``."""
        known = self.get_params()
        for k, v in params.items():
            if k not in known:
                raise ValueError(f"no option {k!r}, want one of {sorted(known)}")
            setattr(self, k, v)
        return self

    def _model(self) -> Any:
        return self._go

    def __getstate__(self) -> Dict[str, Any]:
        if "_go" in self.__dict__:
            raise TypeError(f"a trained {type(self).__name__} is not pickled: save() it to a file and load() it there")
        return self.__dict__

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        # Arrays do not compare to one truth.
        given = [f"{k}={v!r}" for k, v in self.get_params().items() if repr(v) != repr(defaults[k].default)]
        return f"{type(self).__name__}({', '.join(given)})"

    def _repr_html_(self) -> str:
        rows = {"options": repr(self)}
        rows.update(self._about() if "_go" in self.__dict__ else {"state": "not fitted"})
        body = "".join(f"<tr><th>{k}</th><td style='text-align:left'>{html.escape(v)}</td></tr>" for k, v in rows.items())
        name = type(self).__module__.rpartition("._")[0] + "." + type(self).__name__
        return f"<table><caption>{name}</caption>{body}</table>"

    def _about(self) -> Dict[str, str]:
        """What a trained model shows of itself."""
        raise NotImplementedError
