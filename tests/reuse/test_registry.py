import pytest

from reuse import ReuseError, registry


def test_every_method_of_this_issue_is_there():
    assert {m.address for m in registry.every()} >= {
        "auto", "scratch", "distil", "ensemble/best-single", "ensemble/mean", "ensemble/mixture-weighted", "ensemble/routed", "ensemble/stacked", "ensemble/vote",
        "ensemble/pruned", "ensemble/adjusted", "ensemble/selector", "ensemble/augmented", "ensemble/selected", "ensemble/near", "ensemble/hedged",
        "merge/average", "merge/wise-ft", "merge/task-arithmetic", "merge/breadcrumbs", "merge/ties", "merge/dare", "merge/slerp", "merge/tsv", "merge/iso-c",
        "merge/regmean", "merge/fisher", "merge/greedy-soup", "finetune/head", "finetune/full", "finetune/wise-ft", "finetune/bang", "finetune/lora", "finetune/lp-ft",
    }


def test_what_needs_labels_and_what_needs_a_family():
    needs = {m.address: (m.needs_labels, m.needs_family) for m in registry.every()}
    assert needs["merge/greedy-soup"] == (True, True) and needs["merge/ties"] == (False, True)
    assert needs["ensemble/pruned"] == (True, False) and needs["ensemble/vote"] == (False, False) and needs["ensemble/hedged"] == (False, False)
    assert needs["finetune/lora"] == (True, False) and needs["distil"] == (False, False)


@pytest.mark.parametrize(("text", "words"), [
    ("def merge(stack):\n    pass\n", "docstring"), ('"""A title."""\n', "define merge"), ('"""A title."""\ndef merge(stack, *, rate):\n    pass\n', "rate"),
    ('"""A title."""\ndef merge(stack, *, rate: float):\n    pass\n', "rate"), ('"""A title."""\ndef merge(stack, *, rate: list = ()):\n    pass\n', "rate"),
], ids=["nameless", "empty", "bare", "without-default", "of-another-type"])
def test_a_file_that_is_no_method_is_refused(tmp_path, text, words):
    (tmp_path / "odd.py").write_text(text)
    with pytest.raises(ReuseError, match=words) as refused:
        registry._method("merge", "odd", tmp_path / "odd.py")
    assert refused.value.code == "broken-method"


def test_a_file_is_read_without_being_run(tmp_path):
    (tmp_path / "odd.py").write_text('"""A title.\n\nAnd more."""\nNEEDS_LABELS = True\nraise SystemExit\ndef merge(stack, *, rate: float = 0.5, deep: bool = False):\n    pass\n')
    found = registry._method("merge", "odd", tmp_path / "odd.py")
    assert (found.title, found.doc, found.needs_labels, found.address) == ("A title", "And more.", True, "merge/odd")
    assert found.params == {"rate": {"type": "float", "default": 0.5}, "deep": {"type": "bool", "default": False}}


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
