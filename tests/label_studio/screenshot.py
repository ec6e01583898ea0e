"""A picture of a task as Label Studio's own page shows it."""

import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run")
_WAIT_S = 60
_SETTLE_S = 6  # the page draws on a canvas, which no element tells to be ready


def photograph(url: str, page: str, email: str, password: str, target: Path) -> None:
    """Sign in, open a page and save it as PNG."""
    options = webdriver.ChromeOptions()
    for flag in (*_FLAGS, "--disable-background-networking", "--window-size=1280,860"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        driver.get(f"{url}/user/login/")
        driver.find_element(By.NAME, "email").send_keys(email)
        driver.find_element(By.NAME, "password").send_keys(password)
        driver.find_element(By.CSS_SELECTOR, "form [type=submit]").click()
        WebDriverWait(driver, _WAIT_S).until(lambda each: "/login" not in each.current_url)
        driver.get(url + page)
        WebDriverWait(driver, _WAIT_S).until(lambda each: each.find_elements(By.TAG_NAME, "canvas"))
        time.sleep(_SETTLE_S)
        driver.save_screenshot(str(target))
    finally:
        driver.quit()
