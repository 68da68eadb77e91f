CREATE TABLE public.accounts (
    name text NOT NULL,
    state text NOT NULL,
    reason text,
    since bigint NOT NULL,
    hold_until bigint NOT NULL,
    hold_reason text,
    faults integer NOT NULL,
    calls_since_bulk integer NOT NULL,
    live_credit double precision,
    bulk_credit double precision,
    credit_at bigint,
    rate double precision,
    rate_at bigint,
    others integer,
    told_limit integer,
    told_at bigint,
    ask_at bigint
);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.attempts (
    id bigint NOT NULL,
    account text NOT NULL,
    destination text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    worker text NOT NULL,
    records integer NOT NULL,
    started_at bigint NOT NULL,
    deadline bigint NOT NULL,
    ended_at bigint,
    status integer,
    words text,
    about bigint,
    probe_at bigint,
    probed text
);
CREATE SEQUENCE public.attempts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.attempts_id_seq OWNED BY public.attempts.id;
CREATE TABLE public.campaign_reports (
    account text NOT NULL,
    asked_at bigint NOT NULL,
    read_at bigint NOT NULL,
    statuses text NOT NULL,
    rows text
);
CREATE TABLE public.deliveries (
    id bigint NOT NULL,
    event bigint NOT NULL,
    route text NOT NULL,
    account text NOT NULL,
    destination text NOT NULL,
    state text NOT NULL,
    lane smallint NOT NULL,
    split bigint,
    due_at bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    attempt bigint,
    attempts text NOT NULL,
    once_key text,
    reason text,
    checked_at bigint
)
WITH (autovacuum_vacuum_scale_factor='0.01');
CREATE SEQUENCE public.deliveries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.deliveries_id_seq OWNED BY public.deliveries.id;
CREATE TABLE public.destinations (
    name text NOT NULL,
    account text NOT NULL,
    state text NOT NULL,
    reason text,
    since bigint NOT NULL,
    claimed_at bigint NOT NULL,
    claimed_lane smallint NOT NULL,
    accepted_at bigint NOT NULL,
    refusals text NOT NULL
);
CREATE TABLE public.do_not_contact (
    hash text NOT NULL,
    hint text NOT NULL,
    reason text NOT NULL,
    since bigint NOT NULL
);
CREATE TABLE public.events (
    id bigint NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    key text,
    type text NOT NULL,
    state text NOT NULL,
    received_at bigint NOT NULL,
    occurred_at bigint,
    content_type text NOT NULL,
    payload text NOT NULL,
    fingerprint text,
    errors text,
    notes text,
    account text,
    due_at bigint,
    attempts text,
    fetched text,
    second_key text,
    forgotten_at bigint
);
CREATE SEQUENCE public.events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.events_id_seq OWNED BY public.events.id;
CREATE TABLE public.facts (
    name text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.forgetting (
    event bigint NOT NULL,
    erase smallint NOT NULL
);
CREATE TABLE public.lot_deliveries (
    delivery bigint NOT NULL,
    lot bigint NOT NULL,
    at bigint NOT NULL
);
CREATE TABLE public.lots (
    id bigint NOT NULL,
    account text NOT NULL,
    campaign text NOT NULL,
    code text NOT NULL,
    state text NOT NULL,
    changed_at bigint NOT NULL,
    asked text,
    asked_at bigint,
    asked_until bigint,
    fires_at bigint
);
CREATE SEQUENCE public.lots_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.lots_id_seq OWNED BY public.lots.id;
CREATE TABLE public.polls (
    name text NOT NULL,
    source text NOT NULL,
    what text NOT NULL,
    cursor text NOT NULL,
    seen text,
    begun_at bigint NOT NULL,
    due_at bigint NOT NULL,
    holder text,
    held_until bigint NOT NULL,
    looked_at bigint,
    stored bigint NOT NULL,
    faults integer NOT NULL,
    error text,
    error_at bigint
);
CREATE TABLE public.records (
    delivery bigint NOT NULL,
    record text NOT NULL,
    notes text,
    contact text,
    after text,
    result text,
    contacts text
);
ALTER TABLE ONLY public.attempts ALTER COLUMN id SET DEFAULT nextval('public.attempts_id_seq'::regclass);
ALTER TABLE ONLY public.deliveries ALTER COLUMN id SET DEFAULT nextval('public.deliveries_id_seq'::regclass);
ALTER TABLE ONLY public.events ALTER COLUMN id SET DEFAULT nextval('public.events_id_seq'::regclass);
ALTER TABLE ONLY public.lots ALTER COLUMN id SET DEFAULT nextval('public.lots_id_seq'::regclass);
INSERT INTO public.accounts VALUES ('surveys', 'blocked', '401 wrong token: check the account''s token, then resume', 1796027561648, 0, NULL, 0, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.accounts VALUES ('dialler', 'open', NULL, 1796027558529, 4102444800000, '429 slow down', 1, 5, 245, 145, 1796027559154, 0, 0, NULL, NULL, NULL, NULL);
INSERT INTO public.alembic_version VALUES ('0002');
INSERT INTO public.attempts VALUES (1, 'dialler', 'dialler/wolkvox.add_record/1042', 'send', 'rejected', 'vm:691', 1, 1796027559154, 1796027562154, 1796027559349, 400, '400 SOME PARAMETERS ARE REQUIRED, said Ana', NULL, NULL, NULL);
INSERT INTO public.attempts VALUES (2, 'dialler', 'dialler/wolkvox.add_record/1042', 'send', 'accepted', 'vm:691', 1, 1796027559477, 1796027562477, 1796027559597, 201, NULL, NULL, NULL, NULL);
INSERT INTO public.attempts VALUES (6, 'dialler', 'dialler/wolkvox.add_record/1042', 'send', 'rejected', 'vm:691', 1, 1796027560152, 1796027563152, 1796027560336, 400, '400 (the rest was forgotten)', NULL, NULL, NULL);
INSERT INTO public.attempts VALUES (7, 'dialler', 'dialler/wolkvox.add_record/1042', 'send', 'rejected', 'vm:691', 4, 1796027560587, 1796027563587, 1796027560737, 400, '400 wrong', NULL, NULL, NULL);
INSERT INTO public.attempts VALUES (8, 'dialler', 'dialler/wolkvox.add_record/1042', 'send', 'unknown', 'vm:691', 1, 1796027560928, 1796027563928, 1796027563928, NULL, 'no answer: the connection was cut', NULL, 1796027561060, NULL);
INSERT INTO public.attempts VALUES (9, 'surveys', 'surveys/tracksale.survey_links/52', 'send', 'accepted', 'vm:691', 2, 1796027561148, 1796027564148, 1796027561327, 200, NULL, NULL, 1796027561327, NULL);
INSERT INTO public.attempts VALUES (10, 'dialler', 'dialler/check', 'check', 'accepted', 'host:1', 0, 1796027561629, 1796027562629, 1796027561632, 200, NULL, NULL, NULL, NULL);
INSERT INTO public.attempts VALUES (11, 'surveys', 'surveys/tracksale.dispatch/52/now', 'check', 'accepted', 'host:1', 0, 1796027561640, 1796027562640, 1796027561642, 200, NULL, NULL, NULL, NULL);
INSERT INTO public.deliveries VALUES (1, 1, 'dial 1042', 'dialler', 'dialler/wolkvox.add_record/1042', 'dead', 0, NULL, 1796027559349, 1796027559106, 1796027559349, 1796632359102, 1, ',1', '824d32e6f15a9d50c9f5da299a4d83e0', '400 SOME PARAMETERS ARE REQUIRED, said Ana', NULL);
INSERT INTO public.deliveries VALUES (2, 2, 'dial 1042', 'dialler', 'dialler/wolkvox.add_record/1042', 'delivered', 0, NULL, 1796027559469, 1796027559469, 1796027559597, 1796632359419, 2, ',2', 'b5ae4500aecb473a95b9a206fa520850', NULL, NULL);
INSERT INTO public.deliveries VALUES (3, 3, 'dial 1042', 'dialler', 'dialler/wolkvox.add_record/1042', 'suppressed', 0, NULL, 1796027559639, 1796027559639, 1796027559661, 1796632359632, 3, ',3', 'b5ae4500aecb473a95b9a206fa520850', 'once_per: the same person is in delivery d2', NULL);
INSERT INTO public.deliveries VALUES (4, 4, 'dial 1042', 'dialler', 'dialler/wolkvox.add_record/1042', 'suppressed', 0, NULL, 1796027559770, 1796027559770, 1796027559812, 1000, 4, ',4', '9d8f3163a682afc925246cd7db2c4174', 'expired: older than the route''s expires_after when its turn came', NULL);
INSERT INTO public.deliveries VALUES (5, 5, 'dial 1042', 'dialler', 'dialler/wolkvox.add_record/1042', 'suppressed', 0, NULL, 1796027559928, 1796027559928, 1796027559948, 1796632359926, 5, ',5', 'bbd8cfe65cab848d672befd18698df87', 'on the do-not-contact list', NULL);
INSERT INTO public.deliveries VALUES (6, 6, 'dial 1042', 'dialler', 'dialler/wolkvox.add_record/1042', 'dead', 0, NULL, 1796027560336, 1796027560108, 1796027560336, 1796632360086, 6, ',6', '30edf40b3fe5fd9958cafeaa6daab7da', '400 (the rest was forgotten)', NULL);
INSERT INTO public.deliveries VALUES (11, 11, 'closed', 'dialler', 'dialler/wolkvox.add_record/7', 'pending', 0, NULL, 1830587560828, 1796027560796, 1796027560828, 1796632360786, NULL, '', NULL, 'held until Tuesday 2028-01-04 03:32: outside the contact hours (never)', NULL);
INSERT INTO public.deliveries VALUES (7, 7, 'dial 1042', 'dialler', 'dialler/wolkvox.add_record/1042', 'pending', 2, 29, 1796113960892, 1796027560553, 1796027560737, 1796632360548, 7, ',7', '19dc8584dc7f1abdd528460c7acd752e', 'its batch of 4 was refused (400 wrong); halved to find the bad record', NULL);
INSERT INTO public.deliveries VALUES (8, 8, 'dial 1042', 'dialler', 'dialler/wolkvox.add_record/1042', 'pending', 2, 29, 1796113960892, 1796027560553, 1796027560737, 1796632360548, 7, ',7', 'dcb85b4497ec187a3e703e77e1fb1fb3', 'its batch of 4 was refused (400 wrong); halved to find the bad record', NULL);
INSERT INTO public.deliveries VALUES (9, 9, 'dial 1042', 'dialler', 'dialler/wolkvox.add_record/1042', 'pending', 2, 30, 1796113960892, 1796027560553, 1796027560737, 1796632360548, 7, ',7', '2e924b7a7cae082002cf5db0be6522c2', 'its batch of 4 was refused (400 wrong); halved to find the bad record', NULL);
INSERT INTO public.deliveries VALUES (10, 10, 'dial 1042', 'dialler', 'dialler/wolkvox.add_record/1042', 'pending', 2, 30, 1796113960892, 1796027560553, 1796027560737, 1796632360548, 7, ',7', 'fd5b15650905632e9e98843b7fc236f2', 'its batch of 4 was refused (400 wrong); halved to find the bad record', NULL);
INSERT INTO public.deliveries VALUES (12, 12, 'dial 1042', 'dialler', 'dialler/wolkvox.add_record/1042', 'uncertain', 0, NULL, 1796027560917, 1796027560917, 1796027561060, 1796632360912, 8, ',8', '02e0d6090f23c257970bc242af5b7194', 'no answer: the connection was cut; the vendor is asked', NULL);
INSERT INTO public.deliveries VALUES (15, 14, 'call', 'dialler', 'dialler/wolkvox.add_record/8', 'pending', 4, NULL, 1796632361120, 1796027561122, 1796027561122, 1796632361120, NULL, '', NULL, NULL, NULL);
INSERT INTO public.deliveries VALUES (14, 13, 'links', 'surveys', 'surveys/tracksale.survey_links/52', 'dead', 0, NULL, 1796027561327, 1796027561101, 1796027561327, 1796632361097, 9, ',9', NULL, '400 no link', NULL);
INSERT INTO public.deliveries VALUES (13, 13, 'call', 'dialler', 'dialler/wolkvox.add_record/8', 'suppressed', 4, NULL, 1796027561449, 1796027561101, 1796027561501, 1796632361097, NULL, '', NULL, 'it comes after “links”, which ended dead: 400 no link', NULL);
INSERT INTO public.deliveries VALUES (16, 14, 'links', 'surveys', 'surveys/tracksale.survey_links/52', 'pending', 0, NULL, 1796027561327, 1796027561122, 1796027561327, 1796632361120, 9, ',9', NULL, NULL, NULL);
INSERT INTO public.deliveries VALUES (17, 15, 'survey', 'surveys', 'surveys/tracksale.dispatch/52/now', 'pending', 0, NULL, 1796027561616, 1796027561616, 1796027561616, 1796632361612, NULL, '', NULL, NULL, NULL);
INSERT INTO public.destinations VALUES ('dialler/wolkvox.add_record/8', 'dialler', 'open', NULL, 1796027558529, 0, 0, 0, '[]');
INSERT INTO public.destinations VALUES ('surveys/tracksale.dispatch/52/now', 'surveys', 'open', NULL, 1796027558529, 0, 0, 0, '[]');
INSERT INTO public.destinations VALUES ('dialler/wolkvox.add_record/1042', 'dialler', 'open', NULL, 1796027558529, 1796027560928, 0, 1796027559597, '[]');
INSERT INTO public.destinations VALUES ('surveys/tracksale.survey_links/52', 'surveys', 'open', NULL, 1796027558529, 1796027561148, 0, 1796027561327, '[]');
INSERT INTO public.destinations VALUES ('dialler/wolkvox.add_record/7', 'dialler', 'stopped', 'dialler/wolkvox.add_record/7 accepted nothing yet and refused 3 lone records (404 no such campaign): check the route''s options, then `connector resume dialler`', 1796027561665, 0, 0, 0, '[]');
INSERT INTO public.do_not_contact VALUES ('cd0b60a6575d663d58df957304877338', '+57 *** 06', 'asked', 1796027559921);
INSERT INTO public.events VALUES (1, 'landing', 'L-1', 'L-1', 'lead.created', 'accepted', 1796027559106, NULL, 'application/json', '{"id": "L-1"}', '8854f3a48fa0722b9fa4af8a21d7bca9', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES (2, 'landing', 'L-2', 'L-2', 'lead.created', 'accepted', 1796027559469, NULL, 'application/json', '{"id": "L-2"}', 'd36a1ff46b185fe92692b942f7ee4e4a', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES (3, 'landing', 'L-3', 'L-3', 'lead.created', 'accepted', 1796027559639, NULL, 'application/json', '{"id": "L-3"}', 'f2b253f61e243a8480338a54c01a48ef', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES (4, 'landing', 'L-5', 'L-5', 'lead.created', 'accepted', 1796027559770, NULL, 'application/json', '{"id": "L-5"}', '647c53578c5108f8d384cceae1688a6f', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES (5, 'landing', 'L-6', 'L-6', 'lead.created', 'accepted', 1796027559928, NULL, 'application/json', '{"id": "L-6"}', '5ae9d9522cc96c6f3c85690ca111370e', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES (6, 'landing', '', 'forgotten:0e361d66485d79edbabfb4efa4405619', 'lead.created', 'accepted', 1796027560108, NULL, 'application/json', '', '88ea1b30917cc69e69f0119b638aeb16', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1796027560482);
INSERT INTO public.events VALUES (7, 'landing', 'L-10', 'L-10', 'lead.created', 'accepted', 1796027560553, NULL, 'application/json', '{"id": "L-10"}', '064243aa5814a49495b3ac4335038da2', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES (8, 'landing', 'L-11', 'L-11', 'lead.created', 'accepted', 1796027560553, NULL, 'application/json', '{"id": "L-11"}', 'c56321f2e40c051da1394c11dfc69294', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES (9, 'landing', 'L-12', 'L-12', 'lead.created', 'accepted', 1796027560553, NULL, 'application/json', '{"id": "L-12"}', '655af5cc8dfc1969cd90054a32443031', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES (10, 'landing', 'L-13', 'L-13', 'lead.created', 'accepted', 1796027560553, NULL, 'application/json', '{"id": "L-13"}', '5168ef1a5fd97cb21fe4e4a04aae449c', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES (11, 'landing', 'L-20', 'L-20', 'lead.updated', 'accepted', 1796027560796, NULL, 'application/json', '{"id": "L-20"}', '1c3367b97764d884b5fca4490d3e4c75', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES (12, 'landing', 'L-4', 'L-4', 'lead.created', 'accepted', 1796027560917, NULL, 'application/json', '{"id": "L-4"}', '9ff1465921b6f67ebd84a6d7c5b5b654', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES (13, 'landing', 'T-30', 'T-30', 'ticket.created', 'accepted', 1796027561101, NULL, 'application/json', '{"id": "T-30"}', '823ec4cfd9e723c0ee788d7cc0afe957', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES (14, 'landing', 'T-31', 'T-31', 'ticket.created', 'accepted', 1796027561122, NULL, 'application/json', '{"id": "T-31"}', 'b4acc42086dc5bde76735234894df09c', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES (15, 'landing', 'T-40', 'T-40', 'ticket.closed', 'accepted', 1796027561616, NULL, 'application/json', '{"id": "T-40"}', '46232eb64c5e4ef37e047ed563371867', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.facts VALUES ('forgetting', '578040f7929d2b3ab90642a795c7ab34');
INSERT INTO public.facts VALUES ('forgetting_ready', 'yes');
INSERT INTO public.records VALUES (1, '{"customer_name":"Ana 1","customer_last_name":"","id_type":"","customer_id":"C-1","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000001","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}', NULL, '54efaa8b4e2b4c12633c6880d20f28be', NULL, NULL, NULL);
INSERT INTO public.records VALUES (2, '{"customer_name":"Ana 2","customer_last_name":"","id_type":"","customer_id":"C-2","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000002","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}', NULL, 'c63f007bc89fc98365dac650a76d0336', NULL, NULL, NULL);
INSERT INTO public.records VALUES (3, '{"customer_name":"Ana 3","customer_last_name":"","id_type":"","customer_id":"C-3","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000002","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}', NULL, 'c63f007bc89fc98365dac650a76d0336', NULL, NULL, NULL);
INSERT INTO public.records VALUES (4, '{"customer_name":"Ana 5","customer_last_name":"","id_type":"","customer_id":"C-5","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000005","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}', NULL, '0c2e92a71c708ed298e78079e93fcc96', NULL, NULL, NULL);
INSERT INTO public.records VALUES (5, '{"customer_name":"Ana 6","customer_last_name":"","id_type":"","customer_id":"C-6","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000006","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}', NULL, 'cd0b60a6575d663d58df957304877338', NULL, NULL, NULL);
INSERT INTO public.records VALUES (6, '', NULL, '2530ed8a303d29d17d94772b556d10a7', NULL, NULL, NULL);
INSERT INTO public.records VALUES (7, '{"customer_name":"Ana 10","customer_last_name":"","id_type":"","customer_id":"C-10","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000010","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}', NULL, '75e9991368b3fd97ebb7c77133acce8b', NULL, NULL, NULL);
INSERT INTO public.records VALUES (8, '{"customer_name":"Ana 11","customer_last_name":"","id_type":"","customer_id":"C-11","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000011","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}', NULL, '1898982fd356628aa862fedfc42995d1', NULL, NULL, NULL);
INSERT INTO public.records VALUES (9, '{"customer_name":"Ana 12","customer_last_name":"","id_type":"","customer_id":"C-12","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000012","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}', NULL, '8fdecb7b242471c3fc7d828f2a23398d', NULL, NULL, NULL);
INSERT INTO public.records VALUES (10, '{"customer_name":"Ana 13","customer_last_name":"","id_type":"","customer_id":"C-13","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000013","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}', NULL, '3ad5ea5097a2bc078c9157dc90cb85d1', NULL, NULL, NULL);
INSERT INTO public.records VALUES (11, '{"customer_name":"Ana 20","customer_last_name":"","id_type":"","customer_id":"C-20","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000020","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}', NULL, '9211ef2a3246b75e4f06cb5391791261', NULL, NULL, NULL);
INSERT INTO public.records VALUES (12, '{"customer_name":"Ana 4","customer_last_name":"","id_type":"","customer_id":"C-4","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000004","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}', NULL, 'd8bc001eb7f90c221c77d64c01278808', NULL, NULL, NULL);
INSERT INTO public.records VALUES (13, '', NULL, '551bd06cbf04caa3c955b0206778c8b7', 'links', NULL, '["551bd06cbf04caa3c955b0206778c8b7","2d042db112c49568df65390b1f8eafcd"]');
INSERT INTO public.records VALUES (14, '{"name":"Zoë","email":"z@example.com","identification":null,"phone":"3000000030","tags":[]}', NULL, '551bd06cbf04caa3c955b0206778c8b7', NULL, NULL, '["551bd06cbf04caa3c955b0206778c8b7","2d042db112c49568df65390b1f8eafcd"]');
INSERT INTO public.records VALUES (15, '', NULL, '715a53319fec34058bc53180609f7866', 'links', NULL, '["715a53319fec34058bc53180609f7866","79df562100307f9c2212b623caf99d27"]');
INSERT INTO public.records VALUES (16, '{"name":"Zoë","email":"y@example.com","identification":null,"phone":"3000000031","tags":[]}', NULL, '715a53319fec34058bc53180609f7866', NULL, NULL, '["715a53319fec34058bc53180609f7866","79df562100307f9c2212b623caf99d27"]');
INSERT INTO public.records VALUES (17, '{"name":"Zoë 40","email":"zoe.40@example.com","identification":null,"phone":"","tags":[]}', NULL, 'c3bd3052abf8068996326937a3a4b6bf', NULL, NULL, NULL);
SELECT pg_catalog.setval('public.attempts_id_seq', 11, true);
SELECT pg_catalog.setval('public.deliveries_id_seq', 17, true);
SELECT pg_catalog.setval('public.events_id_seq', 15, true);
SELECT pg_catalog.setval('public.lots_id_seq', 1, false);
ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.campaign_reports
    ADD CONSTRAINT campaign_reports_pkey PRIMARY KEY (account);
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.destinations
    ADD CONSTRAINT destinations_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.do_not_contact
    ADD CONSTRAINT do_not_contact_pkey PRIMARY KEY (hash);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.facts
    ADD CONSTRAINT facts_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.forgetting
    ADD CONSTRAINT forgetting_pkey PRIMARY KEY (event);
ALTER TABLE ONLY public.lot_deliveries
    ADD CONSTRAINT lot_deliveries_pkey PRIMARY KEY (delivery);
ALTER TABLE ONLY public.lots
    ADD CONSTRAINT lots_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.polls
    ADD CONSTRAINT polls_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (delivery);
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT uq_deliveries_event_route UNIQUE (event, route);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT uq_events_source_key UNIQUE (source, key);
ALTER TABLE ONLY public.lots
    ADD CONSTRAINT uq_lots_code UNIQUE (account, campaign, code);
CREATE INDEX ix_attempts_about ON public.attempts USING btree (about) WHERE (about IS NOT NULL);
CREATE INDEX ix_attempts_probe ON public.attempts USING btree (account, probe_at) WHERE (probe_at IS NOT NULL);
CREATE INDEX ix_attempts_started ON public.attempts USING btree (account, deadline) WHERE (state = 'started'::text);
CREATE INDEX ix_attempts_usage ON public.attempts USING btree (account, ended_at);
CREATE INDEX ix_deliveries_attempt ON public.deliveries USING btree (attempt) WHERE (state = ANY (ARRAY['sending'::text, 'uncertain'::text]));
CREATE INDEX ix_deliveries_due ON public.deliveries USING btree (destination, lane, due_at, id) WHERE (state = 'pending'::text);
CREATE INDEX ix_deliveries_once_key ON public.deliveries USING btree (once_key) WHERE (once_key IS NOT NULL);
CREATE INDEX ix_deliveries_troubled ON public.deliveries USING btree (state, updated_at) WHERE (state = ANY (ARRAY['uncertain'::text, 'suppressed'::text, 'dead'::text]));
CREATE INDEX ix_events_keyless ON public.events USING btree (event_id) WHERE (key IS NULL);
CREATE INDEX ix_events_waiting ON public.events USING btree (account, due_at, id) WHERE (state = 'waiting'::text);
CREATE INDEX ix_lot_deliveries_lot ON public.lot_deliveries USING btree (lot);
CREATE INDEX ix_records_contact ON public.records USING btree (contact);
CREATE UNIQUE INDEX uq_events_second_key ON public.events USING btree (source, second_key) WHERE (second_key IS NOT NULL);
