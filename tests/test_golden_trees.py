"""For each strategy a small case that was worked out by hand from its paper."""

from __future__ import annotations

import pytest
from grown import Scripted, grow, outline

from asyncsearch import Strategy, make_strategy
from asyncsearch.strategies import (
    AbMcts,
    Beam,
    Dvts,
    Ets,
    Mcts,
    MonteCarlo,
    OmegaPrm,
    ParticleFilter,
    TreeOfThoughts,
    ab_mcts,
)

Steps = dict[str, list[tuple[str, float]]]


def check(strategy: Strategy, steps: Steps, expected: str) -> None:
    runtime = Scripted(steps)
    assert outline(grow(strategy, runtime)) == expected.strip("\n")
    drawn = {before.removeprefix("a problem\n"): count for before, count in runtime.turns.items()}
    assert drawn == {before: len(children) for before, children in steps.items()}, "every draw was asked for"


def test_beam() -> None:
    """Width 4, two beams.

    "d" takes one place, so 3 are left for the best two of the open ones: "a" gets 2 of them and "b" 1. Of their
    children "ab" alone is open, and gets the last place.
    """
    steps: Steps = {
        "": [("a", 0.9), ("b", 0.8), ("c", 0.7), ("d answer", 0.1)],
        "a": [("aa answer", 0.9), ("ab", 0.5)],
        "b": [("ba answer", 0.2)],
        "aab": [("aba answer", 0.3)],
    }
    check(
        Beam(width=4, beams=2),
        steps,
        """
a
  aa answer
  ab
    aba answer
b
  ba answer
c
d answer
""",
    )


def test_beam_with_lookahead() -> None:
    """One step ahead "b" comes to something better than "a", although its own score is lower."""
    steps: Steps = {
        "": [("a", 0.9), ("b", 0.5)],
        "a>": [("a ahead", 0.1)],
        "b>": [("b ahead answer", 0.8)],
        "b": [("ba answer", 0.6), ("bb answer", 0.7)],
    }
    check(
        Beam(width=2, beams=1, lookahead=1),
        steps,
        """
a
b
  ba answer
  bb answer
""",
    )


@pytest.mark.parametrize("strategy", [Beam(width=2, beams=1, lookahead=1), Dvts(width=2, subtrees=1, lookahead=1)])
def test_what_cannot_be_looked_ahead_of_is_judged_by_its_own_score(strategy: Strategy) -> None:
    steps: Steps = {
        "": [("a", 0.9), ("b", 0.1)],
        "a>": [("lost", 0.0)],
        "b>": [("b ahead answer", 0.2)],
        "a": [("aa answer", 0.6), ("ab answer", 0.7)],
    }
    check(
        strategy,
        steps,
        """
a
  aa answer
  ab answer
b
""",
    )


def test_beam_that_refills_every_depth() -> None:
    """Width 2: the second depth has 2 candidates again although "b" has finished; of 3 leaves the best two vote."""
    steps: Steps = {"": [("a", 0.9), ("b answer", 0.2)], "a": [("aa answer", 0.8), ("ab answer", 0.7)]}
    check(
        Beam(width=2, beams=1, refill=True),
        steps,
        """
a
  aa answer
  ab answer
b answer x0
""",
    )


def test_dvts() -> None:
    """Two subtrees of two places: {"a", "b"} goes on from "a", and {"c", "d"} from "d", though both are worse than "b".

    In the second one "da" takes a place, so that "db" has one left.
    """
    steps: Steps = {
        "": [("a", 0.9), ("b", 0.8), ("c", 0.2), ("d", 0.3)],
        "a": [("aa answer", 0.5), ("ab answer", 0.4)],
        "d": [("da answer", 0.1), ("db", 0.6)],
        "ddb": [("dba answer", 0.7)],
    }
    check(
        Dvts(width=4, subtrees=2),
        steps,
        """
a
  aa answer
  ab answer
b
c
d
  da answer
  db
    dba answer
""",
    )


def test_dvts_with_lookahead() -> None:
    """Of "a" and "b" the second is better a step ahead; "c" has nobody beside it, and nobody looks ahead of it."""
    steps: Steps = {
        "": [("a", 0.9), ("b", 0.8), ("c", 0.2), ("d answer", 0.3)],
        "a>": [("a ahead", 0.1)],
        "b>": [("b ahead answer", 0.7)],
        "b": [("ba answer", 0.5), ("bb answer", 0.4)],
        "c": [("ca answer", 0.1)],
    }
    check(
        Dvts(width=4, subtrees=2, lookahead=1),
        steps,
        """
a
b
  ba answer
  bb answer
c
  ca answer
d answer
""",
    )


def test_mcts() -> None:
    """C = 1, two children everywhere, one node at a time.

    After the root's children (the root's own visit is one of N = 3): "a" 0.9 + sqrt(ln 3 / 1) = 1.95 is before "b"
    0.5 + 1.05 = 1.55. Its children are poor: "a" is (0.9 + 0.2 + 0.1) / 3 = 0.4 in 3 of now 5 visits, and
    0.4 + sqrt(ln 5 / 3) = 1.13 comes behind "b" with 0.5 + sqrt(ln 5 / 1) = 1.77.
    """
    steps: Steps = {
        "": [("a", 0.9), ("b", 0.5)],
        "a": [("aa answer", 0.2), ("ab", 0.1)],
        "b": [("ba answer", 0.6), ("bb answer", 0.7)],
    }
    check(
        Mcts(width=3, root_children=2, wave=1),
        steps,
        """
a
  aa answer
  ab
b
  ba answer
  bb answer
""",
    )


def test_mcts_in_a_wave() -> None:
    """With virtual loss "a", once it is taken, comes to 0.9 / 2 + sqrt(ln 4 / 2) = 1.28, and "b" to 0.5 + sqrt(ln 4).

    So both are expanded side by side, as many as there are places left: two and one.
    """
    steps: Steps = {
        "": [("a", 0.9), ("b", 0.5)],
        "a": [("aa answer", 0.2), ("ab answer", 0.1)],
        "b": [("ba answer", 0.6)],
    }
    check(
        Mcts(width=3, root_children=2, wave=2),
        steps,
        """
a
  aa answer
  ab answer
b
  ba answer
""",
    )


def test_mcts_in_three_waves() -> None:
    """C = 0.5, waves of two, five leaves. The first wave is the root alone, as nothing else is there.

    Second: of N = 4 "a" has 0.9 + 0.5 sqrt(ln 4) = 1.49, before "b" with 1.19 and "c" with 0.69; then "b" is next.
    Third: of N = 8 "a", whose children have finished, is out; "b" is (0.6 + 0.9 + 0.3) / 3 in 3 visits, and with
    0.6 + 0.5 sqrt(ln 8 / 3) = 1.02 before "c" with 0.1 + 0.5 sqrt(ln 8) = 0.82. In it "ba" is the better one. While
    that is on its way, "b" has but 1.8 / 4 + 0.5 sqrt(ln 9 / 4) = 0.82, and "c" 0.84: it takes the one place left.
    (Had the second wave never come back, "b" would be behind "c" from the beginning: 0.84 and 0.87 of N = 11.)
    """
    steps: Steps = {
        "": [("a", 0.9), ("b", 0.6), ("c", 0.1)],
        "a": [("aa answer", 0.2), ("ab answer", 0.1)],
        "b": [("ba", 0.9), ("bb", 0.3)],
        "bba": [("baa answer", 0.5), ("bab answer", 0.4)],
        "c": [("ca answer", 0.7)],
    }
    check(
        Mcts(width=5, root_children=3, wave=2, exploration=0.5),
        steps,
        """
a
  aa answer
  ab answer
b
  ba
    baa answer
    bab answer
  bb
c
  ca answer
""",
    )


def test_puct() -> None:
    """Of the priors 0.9 / 1.0 and 0.1 / 1.0 that of "a" is so much the greater that it is expanded twice.

    N = 3: 0.9 + 0.9 sqrt(3) / 2 = 1.68 before 0.1 + 0.1 sqrt(3) / 2 = 0.19. Then "a" is (0.9 + 0.2 + 0.3) / 3 = 0.47:
    0.47 + 0.9 sqrt(5) / 4 = 0.97 before 0.21. In it "ab" is the only one left.
    """
    steps: Steps = {
        "": [("a", 0.9), ("b", 0.1)],
        "a": [("aa answer", 0.2), ("ab", 0.3)],
        "aab": [("aba answer", 0.4), ("abb answer", 0.5)],
    }
    check(
        Mcts(width=3, root_children=2, wave=1, selection="puct"),
        steps,
        """
a
  aa answer
  ab
    aba answer
    abb answer
b
""",
    )


def test_mcts_with_rollouts() -> None:
    """Both children are judged by whole solutions: "b" by the better one, so that it is expanded next."""
    steps: Steps = {
        "": [("a", 0.9), ("b", 0.1)],
        "a": [("a rolled out answer", 0.2)],
        "b": [("b rolled out answer", 0.8), ("ba answer", 0.3), ("bb answer", 0.4)],
    }
    check(
        Mcts(width=4, root_children=2, wave=1, evaluation="rollout"),
        steps,
        """
a
  a rolled out answer
b
  b rolled out answer
  ba answer
  bb answer
""",
    )


def test_mcts_with_a_rollout_that_fails() -> None:
    """It takes a place, and "b" stands where its own score puts it: before "c", behind "a"; not first as unvisited.

    Of N = 4 "a" is before "b" by 0.8 and 0.6; when it has had two children of 0.1, it is 1.0 / 3 + sqrt(ln 6 / 3)
    = 1.11 in 3 visits behind "b" with 0.6 + sqrt(ln 6) = 1.94, and "c" is behind that with 0.5.
    """
    steps: Steps = {
        "": [("a", 0.9), ("b", 0.6), ("c", 0.2)],
        "a": [("a rolled out answer", 0.8), ("aa answer", 0.1), ("ab answer", 0.1)],
        "b": [("lost", 0.0), ("ba answer", 0.3)],
        "c": [("c rolled out answer", 0.5)],
    }
    check(
        Mcts(width=6, root_children=3, wave=1, evaluation="rollout"),
        steps,
        """
a
  a rolled out answer
  aa answer
  ab answer
b
  failed
  ba answer
c
  c rolled out answer
""",
    )


def test_particle_filter() -> None:
    """Four particles; of weights 1/2, 1/2, 0 and 0 systematic resampling makes two of each of the first two.

    "a" has finished and stays, twice; "b" goes on two ways.
    """
    steps: Steps = {
        "": [("a answer", 0.5), ("b", 0.5), ("c", 0.0), ("d", 0.0)],
        "b": [("ba answer", 0.1), ("bb answer", 0.9)],
    }
    check(
        ParticleFilter(width=4),
        steps,
        """
a answer x2
b
  ba answer
  bb answer
c
d
""",
    )


def test_particle_filter_that_is_content_with_its_particles() -> None:
    """Their effective number is 2 of 4, no less than the threshold's half: everyone goes on by itself."""
    steps: Steps = {
        "": [("a answer", 0.5), ("b", 0.5), ("c", 0.0), ("d", 0.0)],
        "b": [("ba answer", 0.5)],
        "c": [("ca answer", 0.5)],
        "d": [("da answer", 0.5)],
    }
    check(
        ParticleFilter(width=4, ess_threshold=0.5),
        steps,
        """
a answer
b
  ba answer
c
  ca answer
d
  da answer
""",
    )


def test_particle_gibbs() -> None:
    """Two iterations of two particles; scores of 1 and 0 leave nothing to chance.

    Of "a" and "b" the first goes on, twice. "ab" is the solution that is kept, by its weight, beside which one particle
    starts anew: at the first depth with "c", which is drawn anew from "c" and "a", the kept solution's first step. So
    it goes on from "a", to "ac". "ab" votes in both iterations.
    """
    steps: Steps = {
        "": [("a", 1.0), ("b", 0.0), ("c", 0.0)],
        "a": [("aa answer", 0.0), ("ab answer", 1.0), ("ac answer", 0.0)],
    }
    check(
        ParticleFilter(width=4, iterations=2),
        steps,
        """
a
  aa answer
  ab answer x2
  ac answer
b
c
""",
    )


def test_ets() -> None:
    """Diversity 1.5; three places are left, of which REBASE's shares at T = 0.2 are 2, 1 and 0.

    The first two say the same, with 15 of 16 trigrams in common. Each costs 1/4 of the nodes, of which the root is one.
    At a cost of 2 all are worth 1 - 2 * 4/4 + 1.5 = 0.5; without the second it is 2/3 - 2 * 3/4 + 1.5 = 0.67, as both
    clusters are covered still; without the third 1 - 2 * 3/4 + 1.5 / 2 = 0.25. So the second is dropped, and REBASE
    shares among the others anew: 2 and 1. At a cost of 0.5 it is 2 against 1.79 and 1.38, and all are kept: REBASE.
    """
    root: list[tuple[str, float]] = [("the same old step", 0.6), ("the same old step!", 0.5), ("another", 0.5)]
    dear: Steps = {
        "": [*root, ("d answer", 0.1)],
        "the same old step": [("aa answer", 0.5), ("ab answer", 0.5)],
        "another": [("ca answer", 0.5)],
    }
    check(
        Ets(width=4, cost=2.0),
        dear,
        """
the same old step
  aa answer
  ab answer
the same old step!
another
  ca answer
d answer
""",
    )
    cheap: Steps = {
        "": [*root, ("d answer", 0.1)],
        "the same old step": [("aa answer", 0.5), ("ab answer", 0.5)],
        "the same old step!": [("ba answer", 0.5)],
    }
    check(
        Ets(width=4, cost=0.5),
        cheap,
        """
the same old step
  aa answer
  ab answer
the same old step!
  ba answer
another
d answer
""",
    )


def test_ab_mcts() -> None:
    """Nothing can be gone on from yet, so the first wave are children of the root, each with its solution."""
    steps: Steps = {"": [("a", 0.5), ("b answer", 0.2)], "a": [("a rolled out answer", 0.9)]}
    check(
        AbMcts(width=2, wave=2),
        steps,
        """
a
  a rolled out answer
b answer
""",
    )


def test_ab_mcts_wave_by_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean of what was seen stands for a sample, and 0.55 where nothing was.

    1. Nothing can be gone on from: the root is given "a", worth its rollout's 0.6.
    2. New children of the root are worth 0.6, going on 0.55: it is given "b", worth 0.2.
    3. Now 0.4 against 0.55: on to "a" (0.6 before 0.2), which has no children: it is given "aa", worth its own 0.8.
    4. 0.4 against 0.8: on to "a", (0.6 + 0.8) / 2. "aa" has finished: "a" is given "ab", worth its rollout's 0.1.
    5. 0.4 against (0.8 + 0.1) / 2: on to "a", with 0.5. There (0.8 + 0.1) / 2 = 0.45 stands against 0.55: on to "ab".
    """
    monkeypatch.setitem(ab_mcts._POSTERIORS, "gaussian", lambda seen, _: sum(seen) / len(seen) if seen else 0.55)
    steps: Steps = {
        "": [("a", 0.9), ("b", 0.1)],
        "a": [("a rolled out answer", 0.6), ("aa answer", 0.8), ("ab", 0.7)],
        "b": [("b rolled out answer", 0.2)],
        "aab": [("ab rolled out answer", 0.1), ("abb answer", 0.3)],
    }
    check(
        AbMcts(width=5, wave=1),
        steps,
        """
a
  a rolled out answer
  aa answer
  ab
    ab rolled out answer
    abb answer
b
  b rolled out answer
""",
    )


def test_tree_of_thoughts_breadth_first() -> None:
    """Algorithm 1 with two thoughts and one state: "b" is left for "a", and of its children "ab" alone goes on."""
    steps: Steps = {
        "": [("a", 0.9), ("b", 0.8)],
        "a": [("aa answer", 0.1), ("ab", 0.5)],
        "aab": [("aba answer", 0.2), ("abb answer", 0.3)],
    }
    check(
        TreeOfThoughts(width=3, thoughts=2, states=1),
        steps,
        """
a
  aa answer
  ab
    aba answer
    abb answer
b
""",
    )


def test_tree_of_thoughts_depth_first() -> None:
    """Algorithm 2 with threshold 0.5: "b" is gone into at once, "a" is passed over, and "bb" below.

    When nothing is left ahead, the best that was passed over is returned to: "a".
    """
    steps: Steps = {
        "": [("a", 0.4), ("b", 0.8)],
        "b": [("ba answer", 0.1), ("bb", 0.3)],
        "a": [("aa answer", 0.6), ("ab answer", 0.7)],
    }
    check(
        TreeOfThoughts(width=3, thoughts=2, order="depth", threshold=0.5),
        steps,
        """
a
  aa answer
  ab answer
b
  ba answer
  bb
""",
    )


MONTE_CARLO: Steps = {
    "": [("a", 0.0)],
    "a": [("b", 0.0), ("c answer", 0.0), ("d answer", 1.0)],
    "ab": [("ba answer", 0.0), ("bb answer", 0.0), ("bc answer", 0.0)],
}


def test_monte_carlo() -> None:
    """One solution of three steps, and two rollouts from each of the two that do not end it."""
    check(
        MonteCarlo(width=1, rollouts=2),
        MONTE_CARLO,
        """
a
  b
    ba answer
    bb answer x0
    bc answer x0
  c answer x0
  d answer x0
""",
    )


OMEGAPRM: Steps = {
    "": [("a", 0.0), ("b", 0.0)],
    "a": [("aa", 0.0)],
    "aaa": [("aaa", 0.0), ("aab answer", 1.0), ("aac answer", 0.0)],
    "aaaaaa": [("aaaa answer", 0.0), ("aaab answer", 0.0), ("aaac answer", 0.0)],
    "b": [("ba answer", 1.0)],
}


def test_omegaprm() -> None:
    """Of two rollouts "a" ends wrong, after four steps. Its second is rolled out from: one of two is right.

    So the mistake is behind it: the third is next, and nothing right comes of it. That is the first mistake, and the
    width of six is spent.
    """
    check(
        OmegaPrm(width=6, rollouts=2),
        OMEGAPRM,
        """
a
  aa
    aaa
      aaaa answer
      aaab answer
      aaac answer
    aab answer
    aac answer
b
  ba answer
""",
    )


def test_omegaprm_goes_on_where_more_rollouts_are_right() -> None:
    """Of the root's wrong rollouts the shorter one is first, by "a" and then "ab", which is the mistake.

    Two of the three from "a" are right, and one of three from the root: the wrong one behind "a" is next, by "ad", and
    not the root's other. The width allows one more rollout.
    """
    steps: Steps = {
        "": [("a", 0.0), ("w", 0.0), ("y answer", 1.0)],
        "a": [("ab", 0.0), ("ac answer", 1.0), ("ad", 0.0), ("ae answer", 1.0)],
        "aab": [("aba answer", 0.0), ("abb answer", 0.0), ("abc answer", 0.0), ("abd answer", 0.0)],
        "aad": [("ada answer", 0.0), ("adb answer", 0.0)],
        "w": [("wa", 0.0)],
        "wwa": [("wb", 0.0)],
        "wwawb": [("wc answer", 0.0)],
    }
    check(
        OmegaPrm(width=10, rollouts=3),
        steps,
        """
a
  ab
    aba answer
    abb answer
    abc answer
    abd answer
  ac answer
  ad
    ada answer
    adb answer
  ae answer
w
  wa
    wb
      wc answer
y answer
""",
    )


def test_early_stop() -> None:
    """Of five samples the first three agree: two more cannot change the majority, and are not waited for."""
    runtime = Scripted(
        {"": [(f"s{number} The answer is: {answer}", 0.5) for number, answer in enumerate([7, 7, 7, 1, 2])]}
    )
    strategy = make_strategy("early-stop:sampling", {"width": 5, "scored": False})
    votes = [line for line in outline(grow(strategy, runtime, vote="majority")).splitlines() if "x0" not in line]
    assert [line[:2] for line in votes if "answer" in line] == ["s0", "s1", "s2"]


@pytest.mark.parametrize("levels", [1, 2])
def test_speculation_grows_the_very_tree(levels: int) -> None:
    steps: Steps = {
        "": [("a", 0.9), ("b", 0.8), ("c", 0.7), ("d answer", 0.1)],
        "a": [("aa answer", 0.9), ("ab", 0.5)],
        "b": [("ba answer", 0.2), ("never asked for", 0.2)],
        "aab": [("aba answer", 0.3), ("nor this", 0.3)],
        "c": [("nor that", 0.1), ("or that", 0.1)],
    }
    plain = outline(grow(Beam(width=4, beams=2), Scripted(steps)))
    speculative = make_strategy("speculative:beam", {"width": 4, "beams": 2, "levels": levels})
    tree = grow(speculative, Scripted(steps))
    assert outline(tree) == plain
    assert tree.dropped, "something was foreseen that did not come"
