import pytest

from reuse import ReuseError, registry


def test_every_method_of_this_issue_is_there():
    assert {m.address for m in registry.every()} >= {
        "auto", "scratch", "ensemble/best-single", "ensemble/mean", "ensemble/mixture-weighted", "ensemble/routed", "ensemble/stacked",
        "merge/average", "merge/wise-ft", "merge/task-arithmetic", "merge/breadcrumbs", "finetune/head", "finetune/full",
    }


@pytest.mark.parametrize("method", registry.every(), ids=lambda m: m.address)
def test_what_was_read_from_the_file_is_what_the_function_has(method):
    import inspect
    from importlib import import_module

    module = import_module(method.module)
    function = next(getattr(module, name) for name in registry.FUNCTIONS[method.kind] if hasattr(module, name))
    known = {n: p.default for n, p in inspect.signature(function).parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    if method.address == "auto":
        known.pop("progress", None)
    assert {name: rule["default"] for name, rule in method.params.items()} == known
    assert method.title == (module.__doc__ or "").splitlines()[0].rstrip(".")


@pytest.mark.parametrize(("given", "code"), [({"nope": 1}, "unknown-parameter"), ({"sharpness": "4"}, "wrong-parameter"), ({"sharpness": True}, "wrong-parameter"),
                                             ({"sharpness": float("nan")}, "wrong-parameter"), ({"sharpness": float("inf")}, "wrong-parameter")])
def test_parameters_of_another_type_are_refused(given, code):
    with pytest.raises(ReuseError) as refused:
        registry.find("ensemble/routed").read_params(given)
    assert refused.value.code == code


def test_a_whole_number_serves_as_a_float():
    assert registry.find("ensemble/routed").read_params({"sharpness": 2}) == {"sharpness": 2.0}


def test_the_web_may_read_it_without_torch():
    import subprocess
    import sys

    code = "import sys; from reuse import registry; registry.every(); assert 'torch' not in sys.modules and 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
