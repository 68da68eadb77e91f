"""The vendors' documents as data, for each operation: method, path, fields of the body, ambiguous answers."""

from __future__ import annotations

from typing import Any

#: operation -> (method, target, the body as documented; None: no body)
TRACKSALE: dict[str, tuple[str, str, Any]] = {
    "campaigns": ("GET", "/v2/campaign?start=2026-11-01&end=2026-11-30&dispatch_limits=1", None),
    "campaign": ("GET", "/v2/campaign/52", None),
    "widget": ("GET", "/v2/widget/k3y", None),
    "can_impact": ("POST", "/v2/campaign/52/can-impact", {"email": "ana@example.com"}),
    "survey_links": ("POST", "/v2/campaign/52/survey-links", {"customers": [{"name": "Ana", "phone": "300"}]}),
    "dispatch": (
        "POST",
        "/v2/campaign/52/dispatch?getNotInserted=1",
        {"customers": [{"name": "Ana", "phone": "300", "finish_time": 1796000000}], "schedule_time": 1795000000},
    ),
    "draft_lots": ("GET", "/v2/campaign/52/draft-lot", None),
    "fire_lot": ("POST", "/v2/campaign/52/dispatch/L1", {"time": 0}),
    "discard_lot": ("POST", "/v2/campaign/52/discard-lot/L1", None),
    "note_on_answer": ("POST", "/v2/note", {"comment": "x", "answer_id": 7}),
    "note_by_filter": (
        "POST",
        "/v2/note",
        {"comment": "x", "filter": {"phone": "300", "start_date": "2026-11-01", "end_date": "2026-11-02"}},
    ),
    "fill_empty_tags_of_answer": (
        "POST",
        "/v2/fill-empty-tags",
        {"answer_id": 7, "tags": [{"name": "a", "value": "b"}]},
    ),
    "fill_empty_tags_of_customer": (
        "POST",
        "/v2/fill-empty-tags",
        {"customer": {"identification": "12345"}, "tags": [{"name": "a", "value": "b"}], "campaign_code": "52"},
    ),
    "answer": (
        "POST",
        "/v2/answer?return_answer_id=1",
        {
            "campaign_code": "52",
            "answers": [{"name": "Ana", "phone": "300", "score": 10, "create_time": 1795000000}],
        },
    ),
    "answer_without_id": ("POST", "/v2/answer", {"campaign_code": "52", "answers": [{"name": "Ana", "score": 0}]}),
    "answers": (
        "POST",
        "/v2/answers",
        {
            "campaign_code": "52",
            "data": [
                {"name": "Ana", "email": "ana@example.com", "answers": [{"question_id": 1, "score": "Muy bueno"}]}
            ],
        },
    ),
    "report_answer": ("GET", "/v2/report/answer?start=2026-11-01&end=2026-11-30&codes=52%2C51&limit=-1", None),
    "report_answer_with_all": (
        "GET",
        "/v2/report/answer?start=2026-11-01T00%3A00%3A00&end=2026-11-30T23%3A59%3A59&limit=10&justifReturn=array"
        "&tags=true&return_update_time=true&review=1&nps_secondary=1&open_question=1&csat=1",
        None,
    ),
    "report_dispatch_with_all": (
        "GET",
        "/v2/report/dispatch?start=2026-11-01&end=2026-11-30&codes=52&channel=true",
        None,
    ),
    "paged_dispatches": (
        "GET",
        "/dispatch?start=2026-11-01&end=2026-11-30&codes=52&page=2&limit=100&channel=true&tags=true",
        None,
    ),
    "report_nps": ("GET", "/v2/report/nps?start=2026-11-01&end=2026-11-30&codes=52%2C51&compare=true", None),
    "report_category": ("GET", "/v2/report/category?codes=52", None),
    "report_status": ("GET", "/v2/report/status?codes=52", None),
    "report_dispatch": ("GET", "/v2/report/dispatch", None),
    "paged_lot": ("GET", "/dispatch/L1?page=1&limit=100", None),
}
POSTCENTER: dict[str, tuple[str, str]] = {
    "ticket": ("GET", "/v2/ticket/5cb8/"),
    "messages": ("GET", "/v2/ticket/5cb8/messages/"),
    "close_ticket": ("POST", "/v2/ticket/5cb8/close/"),
    "reassign": ("POST", "/v2/ticket/5cb8/reassign/"),
    "get_possible_agent": ("GET", "/v2/ticket/5cb8/get_possible_agent/"),
    "tickets_by_state": ("GET", "/v2/tickets/state/open"),
    "accounts": ("GET", "/v2/accounts/all/"),
    "by_agent_id": ("GET", "/v2/ticket/261/by_agent_id/"),
    "tickets": ("GET", "/v2/tickets/?country_id=12345678-9"),
    "facebook_tickets": ("GET", "/v2/tickets/facebook/?page_id=99&uid=7"),
    "paginated_next": (
        "GET",
        "/v2/tickets/paginated/twitter/?from=18-04-2019&to=18-04-2019%2021%3A41%3A00&next=5cb8fa940715430c9c8824f3",
    ),
    "paginated": ("GET", "/v2/tickets/paginated/twitter/?from=18-04-2019&to=18-04-2019%2021%3A41%3A00"),
}
#: The forms of a date that PostCenter's document calls wrong.
WRONG_DATES = ("12/12/2012", "12-12-12", "10-12", "03-16-2014", "12-10-2018 10:23")
#: How wolkvox's ``campaign`` may begin: no document names what stands between the id and the name.
CAMPAIGNS = ("1042", "1042 - Ventas (TEL1 100%)", "1042-Ventas-TEL1 100%", "1042 Ventas", "1042: V", "1042_V", "1042|V")
#: What a server may say to a call that it does not know.
UNKNOWN_CALLS: tuple[tuple[int, str, Any], ...] = (
    (404, "text/html", b"<html>404</html>"),
    (404, "application/json", {"code": "404", "error": "Not Found", "msg": "No data"}),
    (403, "application/json", {"code": "403", "error": "Forbidden", "msg": "NOT FOR YOU"}),
    (405, "text/html", b""),
    (200, "application/json", {}),
    (200, "application/json", []),
    (400, "application/json", {"code": "400", "error": "THE API YOU WANT TO CONSULT DOES NOT EXIST"}),
    (500, "text/html", b"<html>500</html>"),
)
#: The ticket of PostCenter's document, and its messages: the customer is known by an account of a social network alone.
TICKET: dict[str, Any] = {
    "id": "583dcb2855d0a46e438d0206",
    "identifier": "261",
    "created": "2016-11-29T18:38:32",
    "current_assignment": {"cmid": 467, "name": "Francisco Pinto", "email": "fapint@somecorporate.com"},
    "is_closed": True,
    "last_author": "Jhon Doe",
    "last_content": "Hi, I need help configuring with my product.",
    "social_network": "facebook",
    "subject": None,
    "updated_time": "2016-12-21T13:17:29.283",
}
MESSAGES: list[dict[str, Any]] = [
    {
        "content": "Hola Carlos, ¿en qué te podemos ayudar?",
        "author_id": "572c2b2z20a9g4201250leb4",
        "author_name": "Super Empresa",
        "author_account": "superempresa",
        "created": "2014-11-30T20:46:58",
        "media": "http://placekitten.com/200/300",
    },
    {
        "content": "@superempresa hola tengo un problema",
        "author_id": "546b9b2720a9f1301050fec3",
        "author_name": "Carlos Palma",
        "author_account": "cpalma",
        "created": "2014-11-30T18:50:11",
    },
]
#: Calls that no document names, or that gate nothing.
HELPS = ("/api/v2/information.php",)
_LEAD = {
    "id": "L-1",
    "type": "lead.created",
    "data": {
        "first_name": "Ana María",
        "last_name": "Núñez",
        "id_type": "CC",
        "id_number": "12345",
        "age": 34,
        "gender": "F",
        "country": "Colombia",
        "state": "Antioquia",
        "city": "Medellín",
        "zone": "El Poblado",
        "address": "Calle 10 # 43-12",
        "phones": ["3001234567", "6045550188"],
        "email": "ana@example.com",
        "extra": {"utm.source": "google", "nps": 9, "why": "bueno"},
    },
}
_TICKET = {
    "id": "T-1",
    "type": "ticket.closed",
    "data": {
        "ticket_id": "583dcb2855d0a46e438d0206",
        "channel": "email",
        "answer_id": 7,
        "comment": "gracias",
        "customer": {"name": "Zoë", "email": "zoe@example.com", "identification": "678"},
    },
}
_ROW = {
    "customer_name": "Ana María",
    "customer_last_name": "Núñez",
    "id_type": "CC",
    "customer_id": "12345",
    "age": "34",
    "gender": "F",
    "country": "Colombia",
    "state": "Antioquia",
    "city": "Medellín",
    "zone": "El Poblado",
    "address": "Calle 10 # 43-12",
    "opt1": "google",
    **{f"opt{number}": "" for number in range(2, 13)},
    "tel1": "3001234567",
    "tel2": "6045550188",
    **{f"tel{number}": "" for number in range(3, 11)},
    "tel_extra": "",
    "email": "ana@example.com",
    "recall_date": "",
    "recall_telephone": "",
}
_BEARER = {"authorization": "bearer s", "content-type": "application/json", "cache-control": "no-cache"}
_OK = {"status": 200, "message": "Ok"}
#: A route, an event, what the vendor answers, and the one call that it becomes.
DELIVERIES: dict[str, dict[str, Any]] = {
    "wolkvox.add_record": {
        "route": 'on = "lead.created"\nto = "wolkvox.add_record"\naccount = "dialler"\ncampaign_id = "1042"\n'
        'campaign_status = "stop"\nopt = ["utm.source"]',
        "source": "leads",
        "event": _LEAD,
        "answer": {"code": "201", "error": None, "msg": "All records", "data": [{"total_registers": "1"}]},
        "status": 201,
        "call": (
            "POST",
            "/api/v2/campaign.php?api=add_record&type_campaign=predictive&campaign_id=1042&campaign_status=stop",
        ),
        "body": [_ROW],
        "headers": {"wolkvox-token": "d", "wolkvox_server": "0011", "content-type": "application/json"},
    },
    "tracksale.dispatch": {
        "route": 'on = "ticket.closed"\nto = "tracksale.dispatch"\naccount = "surveys"\ncampaign_code = "52"\n'
        'schedule = "draft"\ntags = { Canal = "channel" }',
        "source": "tickets",
        "event": _TICKET,
        "answer": {
            "msg": "ok",
            "dispatch_code": "L1",
            "status": {"inserted": 1, "duplicated": 0, "invalid": 0},
            "campaign": {"code": "52", "name": "x"},
        },
        "call": ("POST", "/v2/campaign/52/dispatch?getNotInserted=1"),
        "body": {
            "customers": [
                {
                    "name": "Zoë",
                    "email": "zoe@example.com",
                    "identification": "678",
                    "tags": [{"name": "Canal", "value": "email"}],
                }
            ]
        },
        "headers": _BEARER,
    },
    "tracksale.survey_links": {
        "route": 'on = "ticket.closed"\nto = "tracksale.survey_links"\naccount = "surveys"\ncampaign_code = "52"',
        "source": "tickets",
        "event": _TICKET,
        "answer": {"customers": [{"email": "zoe@example.com", "survey_link": "https://example.com/x"}]},
        "call": ("POST", "/v2/campaign/52/survey-links"),
        "body": {"customers": [{"name": "Zoë", "email": "zoe@example.com", "tags": []}]},
        "headers": _BEARER,
    },
    "tracksale.answers": {
        "route": 'on = "lead.created"\nto = "tracksale.answers"\naccount = "surveys"\ncampaign_code = "52"\n'
        'score = "nps"\njustification = "why"',
        "source": "leads",
        "event": _LEAD | {"time": "2026-11-20T12:00:00-05:00"},
        "answer": {
            "msg": "1 Answer inserted",
            "status": {"inserted": 1, "invalid": 0},
            "answers": [{"name": "Ana María Núñez", "email": "ana@example.com", "answer_id": 71}],
        },
        "call": ("POST", "/v2/answer?return_answer_id=1"),
        "body": {
            "campaign_code": "52",
            "answers": [
                {
                    "name": "Ana María Núñez",
                    "email": "ana@example.com",
                    "phone": "3001234567",
                    "identification": "12345",
                    "score": 9,
                    "justification": "bueno",
                    "create_time": 1795194000,
                }
            ],
        },
        "headers": _BEARER,
    },
    "tracksale.note": {
        "route": 'on = "ticket.closed"\nto = "tracksale.note"\naccount = "surveys"',
        "source": "tickets",
        "event": _TICKET,
        "answer": {"answer_id": "7", "msg": "ok"},
        "call": ("POST", "/v2/note"),
        "body": {"comment": "gracias", "answer_id": 7},
        "headers": _BEARER,
    },
    "tracksale.fill_empty_tags": {
        "route": 'on = "ticket.closed"\nto = "tracksale.fill_empty_tags"\naccount = "surveys"\n'
        'tags = { Canal = "channel" }',
        "source": "tickets",
        "event": _TICKET,
        "answer": {"answer_id": 7, "msg": "ok"},
        "call": ("POST", "/v2/fill-empty-tags"),
        "body": {"answer_id": 7, "tags": [{"name": "Canal", "value": "email"}]},
        "headers": _BEARER,
    },
    "postcenter.close": {
        "route": 'on = "ticket.closed"\nto = "postcenter.close"\naccount = "helpdesk"',
        "source": "tickets",
        "event": _TICKET,
        "answer": _OK,
        "call": ("POST", "/v2/ticket/583dcb2855d0a46e438d0206/close/"),
        "body": None,
        "headers": {"authorization": "Key h"},
    },
    "postcenter.reassign": {
        "route": 'on = "ticket.closed"\nto = "postcenter.reassign"\naccount = "helpdesk"',
        "source": "tickets",
        "event": _TICKET,
        "answer": _OK,
        "call": ("POST", "/v2/ticket/583dcb2855d0a46e438d0206/reassign/"),
        "body": None,
        "headers": {"authorization": "Key h"},
    },
}
_NEXT = {
    "tickets": [
        {
            "status": "Abierto",
            "updated_datetime": "18-04-2019 22:30:21",
            "created_datetime": "18-04-2019 21:40:59",
            "social_network": "twitter",
            "identifier": number,
            "id": f"5cb8eeeb0715437c912{number:05d}",
        }
        for number in range(100)
    ],
    "status": 200,
    "number_of_tickets": 100,
    "next_page": "5cb8fa940715430c9c8824f3",
}
#: A source that is polled, the pages that it is answered, and each call: moments are those of the test's day.
POLLS: dict[str, dict[str, Any]] = {
    "tracksale.answers": {
        "source": '[sources.polled]\nmapping = "tracksale_answer"\naccount = "surveys"\n'
        'poll = { call = "tracksale.answers", campaign_code = ["52", "51"] }\n',
        "answers": [[]],
        "calls": [
            {
                "path": "/v2/report/answer",
                "names": [
                    *("start", "end", "codes", "limit", "justifReturn", "tags", "return_update_time"),
                    *("review", "nps_secondary", "open_question", "csat"),
                ],
                "query": {
                    "codes": "52,51",
                    "limit": "-1",
                    "justifReturn": "array",
                    "tags": "true",
                    "return_update_time": "true",
                    **dict.fromkeys(("review", "nps_secondary", "open_question", "csat"), "1"),
                },
            }
        ],
    },
    "postcenter.tickets by state": {
        "source": '[sources.polled]\nmapping = "postcenter"\naccount = "helpdesk"\n'
        'poll = { call = "postcenter.tickets", state = "inProgress" }\n',
        "answers": [{"tickets": [], "status": 200}],
        "calls": [{"path": "/v2/tickets/state/inProgress", "names": [], "query": {}}],
    },
    "postcenter.tickets by channel": {
        "source": '[sources.polled]\nmapping = "postcenter"\naccount = "helpdesk"\n'
        'poll = { call = "postcenter.tickets", channel = "twitter" }\n',
        "answers": [_NEXT, {"tickets": [], "status": 200, "number_of_tickets": 0, "next_page": None}],
        "calls": [
            {"path": "/v2/tickets/paginated/twitter/", "names": ["from", "to"], "query": {}},
            {
                "path": "/v2/tickets/paginated/twitter/",
                "names": ["from", "to", "next"],
                "query": {"next": "5cb8fa940715430c9c8824f3"},
            },
        ],
    },
}
