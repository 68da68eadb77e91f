"""The loop an ordinary user would write: for every webhook one call to the vendor, while the sender waits.

``VENDOR_URL`` says where the vendor is.
"""

from __future__ import annotations

import os

import requests
from flask import Flask, Response, request

from tests.bench import leads


def make_app(vendor_url: str) -> Flask:
    app = Flask("rival_naive")
    url = f"{vendor_url}/api/v2/campaign.php"
    params = {"api": "add_record", "type_campaign": "predictive", "campaign_id": "1042", "campaign_status": "start"}

    @app.get("/livez")
    def livez() -> Response:
        return Response(b'{"status":"ok"}', mimetype="application/json")

    @app.post("/webhooks/<source>")
    def webhook(source: str) -> Response:
        headers = request.headers
        message_id = headers.get("webhook-id", "")
        timestamp, given = headers.get("webhook-timestamp", ""), headers.get("webhook-signature", "")
        if not leads.verify(message_id, timestamp, given, request.get_data()):
            return Response(status=401)
        data = request.get_json()["data"]
        row = {
            "customer_name": data["first_name"],
            "customer_last_name": data["last_name"],
            "customer_id": data["id_number"],
            "tel1": data["phones"][0].replace("+57", "9"),
            "email": data["email"],
            "opt1": data["extra"]["utm"]["source"],
        }
        answer = requests.post(url, params=params, json=[row], headers={"wolkvox-token": "bench"}, timeout=65)
        return Response(status=202 if answer.ok else 502)

    return app


app = make_app(os.environ.get("VENDOR_URL", "http://127.0.0.1:9900"))
