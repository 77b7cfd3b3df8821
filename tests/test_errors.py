from __future__ import annotations

import pickle

from convsmith.errors import ConvsmithError, UnknownNameError, UsageError


def test_an_error_names_its_settings_before_its_prose() -> None:
    error = UsageError("give one or the other, not both", settings=("epochs", "seconds"))
    assert str(error) == "epochs, seconds: give one or the other, not both"


def test_the_command_line_spells_the_settings_its_own_way() -> None:
    error = UsageError("give one or the other, not both", settings=("epochs", "seconds"))
    assert error.told({"epochs": "--epochs", "seconds": "--time"}.__getitem__) == (
        "--epochs, --time: give one or the other, not both"
    )


def test_one_setting_may_be_given_as_it_is() -> None:
    assert UsageError("8 at least, not 3", settings="side").settings == ("side",)


def test_an_error_without_settings_is_its_message() -> None:
    assert str(ConvsmithError("the disk is full")) == "the disk is full"


def test_errors_travel_between_processes() -> None:
    for error in (UnknownNameError("model", "resnet5", ["resnet50"]), UsageError("too small", settings="side")):
        back = pickle.loads(pickle.dumps(error))
        assert type(back) is type(error)
        assert str(back) == str(error)
        assert back.settings == error.settings


def test_the_nearest_name_may_be_written_in_capitals() -> None:
    assert str(UnknownNameError("data set", "CIFAR_10", ["digits", "cifar10"])).endswith("nearest: cifar10")
