"""The audit of statements: what the tests send is read by a parser, and judged.

`rules` says what is wrong with a statement, `capture` sees what is sent, `plugin` fails the test that sent it.
"""
