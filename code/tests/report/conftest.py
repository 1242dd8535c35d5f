"""Browser tests run only when asked for by their marker, and then fail where there is no browser."""


def pytest_collection_modifyitems(config, items):
    if "browser" in config.getoption("markexpr", ""):
        return
    left_out = [item for item in items if item.get_closest_marker("browser")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
