"""Prompt: Jinja2 in a sandbox, that neither reads what it should not nor fills the memory."""

import time

import pytest

from studio import Prompt

SAFE = {
    "{{ a }} and {{ b | upper }}": "x and Y",
    "{% for c in a * 3 %}{{ loop.index }}{{ c }}{% endfor %}": "1x2x3x",
    "{{ a if b else 'none' }}\n": "x\n",
    "{{ '%s!' % a }}{{ [1, 2] | length }}{{ 2 * 3 }}{{ 2 ** 10 }}": "x!261024",
}


@pytest.mark.parametrize("text", SAFE)
def test_it_fills_in(text):
    assert Prompt.parsed(text).render(a="x", b="y") == SAFE[text]


def test_its_names():
    assert Prompt.parsed("{{ a }} {% set c = b %}{{ c }} {{ a.x }}").names == {"a", "b"}


@pytest.mark.parametrize("text", ["{{ open", "{% if %}", "{% nothing %}", "{{ a | nofilter }}", "{{ }}"])
def test_what_is_no_template(text):
    with pytest.raises(ValueError, match=r"template"):
        Prompt.parsed(text).render(a="x")


@pytest.mark.parametrize(
    "text",
    [
        "{{ missing }}",
        "{{ a.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{{ a.__init__.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ 'x' * 10**9 }}",
        "{{ 10 ** 10 ** 9 }}",
        "{{ range(10**9) | list }}",
        "{{ 1 / 0 }}",
        "{{ a + 1 }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ l.append(1) }}",
    ],
)
def test_what_it_may_not_do(text):
    started = time.thread_time()
    with pytest.raises(ValueError, match="cannot be filled in"):
        Prompt.parsed(text).render(a="x", l=[1])
    assert time.thread_time() - started < 1
