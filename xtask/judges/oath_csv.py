"""Reads what oathburn writes with the importers of privacyIDEA and LinOTP, and compares what comes out.

Arguments: the folder with the files and their expected.json, and LinOTP's ImportOTP/__init__.py.
"""

import ast
import json
import logging
import pathlib
import sys

from flask import Flask
from flask_babel import Babel

folder, linotp = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
expected = json.loads((folder / "expected.json").read_text())


def text(name):
    # No translation of line ends: the importers are given bytes.
    return (folder / name).read_bytes().decode("utf-8")


def fail(judge, serial, what, ours, theirs):
    sys.exit(f"{judge} reads {what} of {serial} as {theirs!r}, it is {ours!r}")


def compare(judge, tokens, read, fields):
    if sorted(read) != sorted(tokens):
        sys.exit(f"{judge} reads {len(read)} tokens, there are {len(tokens)}")
    for serial, token in tokens.items():
        for what, (name, make) in fields(token).items():
            ours, theirs = token[what], make(read[serial].get(name))
            if ours != theirs:
                fail(judge, serial, what, ours, theirs)
    print(f"{judge} reads all {len(tokens)} tokens as they are")


def privacyidea():
    app = Flask("judge")
    Babel(app)
    with app.app_context():
        from privacyidea.lib.importotp import parseOATHcsv

        def fields(token):
            factor = {"step": ("timeStep", int)} if token["type"] == "totp" else {"counter": ("counter", int)}
            return {
                "hex": ("otpkey", str),
                "type": ("type", str.lower),
                "algorithm": ("hashlib", str),
                "digits": ("otplen", int),
                **factor,
            }

        def with_user(token):
            user = ("user", lambda user: [user["username"], user["resolver"], user["realm"]])
            return {**fields(token), "user": user}

        compare("privacyIDEA", expected["privacyidea.csv"], parseOATHcsv(text("privacyidea.csv")), fields)
        compare("privacyIDEA (2)", expected["privacyidea2.csv"], parseOATHcsv(text("privacyidea2.csv")), with_user)


def judge_linotp():
    tree = ast.parse(linotp.read_text())
    wanted = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "parseOATHcsv"]
    names = {"log": logging.getLogger("linotp")}
    exec(compile(ast.Module(wanted, []), str(linotp), "exec"), names)
    fields = {
        "hex": ("hmac_key", str),
        "type": ("type", str),
        "algorithm": ("hashlib", str),
        "digits": ("otplen", int),
        "step": ("timeStep", int),
    }
    # The end of the last line is a line without a serial number to it.
    logging.getLogger("linotp").setLevel(logging.CRITICAL)
    compare("LinOTP", expected["linotp.csv"], names["parseOATHcsv"](text("linotp.csv")), lambda token: fields)


privacyidea()
judge_linotp()
