BEGIN TRANSACTION;
CREATE TABLE accounts (
	name TEXT NOT NULL, 
	state TEXT NOT NULL, 
	reason TEXT, 
	since BIGINT NOT NULL, 
	hold_until BIGINT NOT NULL, 
	hold_reason TEXT, 
	faults INTEGER NOT NULL, 
	calls_since_bulk INTEGER NOT NULL, live_credit FLOAT, bulk_credit FLOAT, credit_at BIGINT, rate FLOAT, rate_at BIGINT, others INTEGER, told_limit INTEGER, told_at BIGINT, ask_at BIGINT, 
	PRIMARY KEY (name)
);
INSERT INTO "accounts" VALUES('dialler','open',NULL,1796027515790,4102444800000,'429 slow down',1,5,245.0,145.0,1796027516512,0.0,0,NULL,NULL,NULL,NULL);
INSERT INTO "accounts" VALUES('surveys','blocked','401 wrong token: check the account''s token, then resume',1796027518497,0,NULL,0,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE attempts (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	account TEXT NOT NULL, 
	destination TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	state TEXT NOT NULL, 
	worker TEXT NOT NULL, 
	records INTEGER NOT NULL, 
	started_at BIGINT NOT NULL, 
	deadline BIGINT NOT NULL, 
	ended_at BIGINT, 
	status INTEGER, 
	words TEXT, 
	about BIGINT, 
	probe_at BIGINT, 
	probed TEXT
);
INSERT INTO "attempts" VALUES(1,'dialler','dialler/wolkvox.add_record/1042','send','rejected','vm:32231',1,1796027516512,1796027519512,1796027516759,400,'400 SOME PARAMETERS ARE REQUIRED, said Ana',NULL,NULL,NULL);
INSERT INTO "attempts" VALUES(2,'dialler','dialler/wolkvox.add_record/1042','send','accepted','vm:32231',1,1796027516848,1796027519848,1796027516944,201,NULL,NULL,NULL,NULL);
INSERT INTO "attempts" VALUES(6,'dialler','dialler/wolkvox.add_record/1042','send','rejected','vm:32231',1,1796027517414,1796027520414,1796027517510,400,'400 (the rest was forgotten)',NULL,NULL,NULL);
INSERT INTO "attempts" VALUES(7,'dialler','dialler/wolkvox.add_record/1042','send','rejected','vm:32231',4,1796027517768,1796027520768,1796027517926,400,'400 wrong',NULL,NULL,NULL);
INSERT INTO "attempts" VALUES(8,'dialler','dialler/wolkvox.add_record/1042','send','unknown','vm:32231',1,1796027518038,1796027521038,1796027521038,NULL,'no answer: the connection was cut',NULL,1796027518064,NULL);
INSERT INTO "attempts" VALUES(9,'surveys','surveys/tracksale.survey_links/52','send','accepted','vm:32231',2,1796027518081,1796027521081,1796027518102,200,NULL,NULL,1796027518102,NULL);
INSERT INTO "attempts" VALUES(10,'dialler','dialler/check','check','accepted','host:1',0,1796027518473,1796027519473,1796027518474,200,NULL,NULL,NULL,NULL);
INSERT INTO "attempts" VALUES(11,'surveys','surveys/tracksale.dispatch/52/now','check','accepted','host:1',0,1796027518475,1796027519475,1796027518487,200,NULL,NULL,NULL,NULL);
CREATE TABLE campaign_reports (
	account TEXT NOT NULL, 
	asked_at BIGINT NOT NULL, 
	read_at BIGINT NOT NULL, 
	statuses TEXT NOT NULL, rows TEXT, 
	PRIMARY KEY (account)
);
CREATE TABLE deliveries (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	event BIGINT NOT NULL, 
	route TEXT NOT NULL, 
	account TEXT NOT NULL, 
	destination TEXT NOT NULL, 
	state TEXT NOT NULL, 
	lane SMALLINT NOT NULL, 
	split BIGINT, 
	due_at BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	attempt BIGINT, 
	attempts TEXT NOT NULL, 
	once_key TEXT, 
	reason TEXT, checked_at BIGINT, 
	CONSTRAINT uq_deliveries_event_route UNIQUE (event, route)
);
INSERT INTO "deliveries" VALUES(1,1,'dial 1042','dialler','dialler/wolkvox.add_record/1042','dead',0,NULL,1796027516759,1796027516490,1796027516759,1796632316490,1,',1','824d32e6f15a9d50c9f5da299a4d83e0','400 SOME PARAMETERS ARE REQUIRED, said Ana',NULL);
INSERT INTO "deliveries" VALUES(2,2,'dial 1042','dialler','dialler/wolkvox.add_record/1042','delivered',0,NULL,1796027516836,1796027516836,1796027516944,1796632316836,2,',2','b5ae4500aecb473a95b9a206fa520850',NULL,NULL);
INSERT INTO "deliveries" VALUES(3,3,'dial 1042','dialler','dialler/wolkvox.add_record/1042','suppressed',0,NULL,1796027516976,1796027516976,1796027516987,1796632316976,3,',3','b5ae4500aecb473a95b9a206fa520850','once_per: the same person is in delivery d2',NULL);
INSERT INTO "deliveries" VALUES(4,4,'dial 1042','dialler','dialler/wolkvox.add_record/1042','suppressed',0,NULL,1796027517125,1796027517125,1796027517149,1000,4,',4','9d8f3163a682afc925246cd7db2c4174','expired: older than the route''s expires_after when its turn came',NULL);
INSERT INTO "deliveries" VALUES(5,5,'dial 1042','dialler','dialler/wolkvox.add_record/1042','suppressed',0,NULL,1796027517262,1796027517262,1796027517280,1796632317261,5,',5','bbd8cfe65cab848d672befd18698df87','on the do-not-contact list',NULL);
INSERT INTO "deliveries" VALUES(6,6,'dial 1042','dialler','dialler/wolkvox.add_record/1042','dead',0,NULL,1796027517510,1796027517412,1796027517510,1796632317412,6,',6','30edf40b3fe5fd9958cafeaa6daab7da','400 (the rest was forgotten)',NULL);
INSERT INTO "deliveries" VALUES(7,7,'dial 1042','dialler','dialler/wolkvox.add_record/1042','pending',2,29,1796113918030,1796027517701,1796027517926,1796632317701,7,',7','19dc8584dc7f1abdd528460c7acd752e','its batch of 4 was refused (400 wrong); halved to find the bad record',NULL);
INSERT INTO "deliveries" VALUES(8,8,'dial 1042','dialler','dialler/wolkvox.add_record/1042','pending',2,29,1796113918030,1796027517701,1796027517926,1796632317701,7,',7','dcb85b4497ec187a3e703e77e1fb1fb3','its batch of 4 was refused (400 wrong); halved to find the bad record',NULL);
INSERT INTO "deliveries" VALUES(9,9,'dial 1042','dialler','dialler/wolkvox.add_record/1042','pending',2,30,1796113918030,1796027517701,1796027517926,1796632317701,7,',7','2e924b7a7cae082002cf5db0be6522c2','its batch of 4 was refused (400 wrong); halved to find the bad record',NULL);
INSERT INTO "deliveries" VALUES(10,10,'dial 1042','dialler','dialler/wolkvox.add_record/1042','pending',2,30,1796113918030,1796027517701,1796027517926,1796632317701,7,',7','fd5b15650905632e9e98843b7fc236f2','its batch of 4 was refused (400 wrong); halved to find the bad record',NULL);
INSERT INTO "deliveries" VALUES(11,11,'closed','dialler','dialler/wolkvox.add_record/7','pending',0,NULL,1830587518003,1796027517984,1796027518003,1796632317984,NULL,'',NULL,'held until Tuesday 2028-01-04 03:31: outside the contact hours (never)',NULL);
INSERT INTO "deliveries" VALUES(12,12,'dial 1042','dialler','dialler/wolkvox.add_record/1042','uncertain',0,NULL,1796027518035,1796027518035,1796027518064,1796632318034,8,',8','02e0d6090f23c257970bc242af5b7194','no answer: the connection was cut; the vendor is asked',NULL);
INSERT INTO "deliveries" VALUES(13,13,'links','surveys','surveys/tracksale.survey_links/52','dead',0,NULL,1796027518102,1796027518076,1796027518102,1796632318076,9,',9',NULL,'400 no link',NULL);
INSERT INTO "deliveries" VALUES(14,13,'call','dialler','dialler/wolkvox.add_record/8','suppressed',4,NULL,1796027518218,1796027518076,1796027518294,1796632318076,NULL,'',NULL,'it comes after “links”, which ended dead: 400 no link',NULL);
INSERT INTO "deliveries" VALUES(15,14,'links','surveys','surveys/tracksale.survey_links/52','pending',0,NULL,1796027518102,1796027518079,1796027518102,1796632318079,9,',9',NULL,NULL,NULL);
INSERT INTO "deliveries" VALUES(16,14,'call','dialler','dialler/wolkvox.add_record/8','pending',4,NULL,1796632318079,1796027518079,1796027518079,1796632318079,NULL,'',NULL,NULL,NULL);
INSERT INTO "deliveries" VALUES(17,15,'survey','surveys','surveys/tracksale.dispatch/52/now','pending',0,NULL,1796027518460,1796027518460,1796027518460,1796632318460,NULL,'',NULL,NULL,NULL);
CREATE TABLE destinations (
	name TEXT NOT NULL, 
	account TEXT NOT NULL, 
	state TEXT NOT NULL, 
	reason TEXT, 
	since BIGINT NOT NULL, 
	claimed_at BIGINT NOT NULL, 
	claimed_lane SMALLINT NOT NULL, 
	accepted_at BIGINT NOT NULL, 
	refusals TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "destinations" VALUES('dialler/wolkvox.add_record/1042','dialler','open',NULL,1796027515790,1796027518038,0,1796027516944,'[]');
INSERT INTO "destinations" VALUES('dialler/wolkvox.add_record/7','dialler','stopped','dialler/wolkvox.add_record/7 accepted nothing yet and refused 3 lone records (404 no such campaign): check the route''s options, then `connector resume dialler`',1796027518514,0,0,0,'[]');
INSERT INTO "destinations" VALUES('dialler/wolkvox.add_record/8','dialler','open',NULL,1796027515790,0,0,0,'[]');
INSERT INTO "destinations" VALUES('surveys/tracksale.dispatch/52/now','surveys','open',NULL,1796027515790,0,0,0,'[]');
INSERT INTO "destinations" VALUES('surveys/tracksale.survey_links/52','surveys','open',NULL,1796027515790,1796027518081,0,1796027518102,'[]');
CREATE TABLE do_not_contact (
	hash TEXT NOT NULL, 
	hint TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	PRIMARY KEY (hash)
);
INSERT INTO "do_not_contact" VALUES('cd0b60a6575d663d58df957304877338','+57 *** 06','asked',1796027517246);
CREATE TABLE events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	source TEXT NOT NULL, 
	event_id TEXT NOT NULL, 
	"key" TEXT, 
	type TEXT NOT NULL, 
	state TEXT NOT NULL, 
	received_at BIGINT NOT NULL, 
	occurred_at BIGINT, 
	content_type TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	fingerprint TEXT, 
	errors TEXT, 
	notes TEXT, 
	account TEXT, 
	due_at BIGINT, 
	attempts TEXT, 
	fetched TEXT, 
	second_key TEXT, forgotten_at BIGINT, 
	CONSTRAINT uq_events_source_key UNIQUE (source, "key")
);
INSERT INTO "events" VALUES(1,'landing','L-1','L-1','lead.created','accepted',1796027516490,NULL,'application/json','{"id": "L-1"}','8854f3a48fa0722b9fa4af8a21d7bca9',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(2,'landing','L-2','L-2','lead.created','accepted',1796027516836,NULL,'application/json','{"id": "L-2"}','d36a1ff46b185fe92692b942f7ee4e4a',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(3,'landing','L-3','L-3','lead.created','accepted',1796027516976,NULL,'application/json','{"id": "L-3"}','f2b253f61e243a8480338a54c01a48ef',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(4,'landing','L-5','L-5','lead.created','accepted',1796027517125,NULL,'application/json','{"id": "L-5"}','647c53578c5108f8d384cceae1688a6f',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(5,'landing','L-6','L-6','lead.created','accepted',1796027517262,NULL,'application/json','{"id": "L-6"}','5ae9d9522cc96c6f3c85690ca111370e',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(6,'landing','','forgotten:0e361d66485d79edbabfb4efa4405619','lead.created','accepted',1796027517412,NULL,'application/json','','88ea1b30917cc69e69f0119b638aeb16',NULL,NULL,NULL,NULL,NULL,NULL,NULL,1796027517595);
INSERT INTO "events" VALUES(7,'landing','L-10','L-10','lead.created','accepted',1796027517701,NULL,'application/json','{"id": "L-10"}','064243aa5814a49495b3ac4335038da2',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(8,'landing','L-11','L-11','lead.created','accepted',1796027517701,NULL,'application/json','{"id": "L-11"}','c56321f2e40c051da1394c11dfc69294',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(9,'landing','L-12','L-12','lead.created','accepted',1796027517701,NULL,'application/json','{"id": "L-12"}','655af5cc8dfc1969cd90054a32443031',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(10,'landing','L-13','L-13','lead.created','accepted',1796027517701,NULL,'application/json','{"id": "L-13"}','5168ef1a5fd97cb21fe4e4a04aae449c',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(11,'landing','L-20','L-20','lead.updated','accepted',1796027517984,NULL,'application/json','{"id": "L-20"}','1c3367b97764d884b5fca4490d3e4c75',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(12,'landing','L-4','L-4','lead.created','accepted',1796027518035,NULL,'application/json','{"id": "L-4"}','9ff1465921b6f67ebd84a6d7c5b5b654',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(13,'landing','T-30','T-30','ticket.created','accepted',1796027518076,NULL,'application/json','{"id": "T-30"}','823ec4cfd9e723c0ee788d7cc0afe957',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(14,'landing','T-31','T-31','ticket.created','accepted',1796027518079,NULL,'application/json','{"id": "T-31"}','b4acc42086dc5bde76735234894df09c',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(15,'landing','T-40','T-40','ticket.closed','accepted',1796027518460,NULL,'application/json','{"id": "T-40"}','46232eb64c5e4ef37e047ed563371867',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE facts (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "facts" VALUES('forgetting','578040f7929d2b3ab90642a795c7ab34');
INSERT INTO "facts" VALUES('forgetting_ready','yes');
CREATE TABLE forgetting (
	event INTEGER NOT NULL, 
	erase SMALLINT NOT NULL, 
	PRIMARY KEY (event)
);
CREATE TABLE lot_deliveries (
	delivery INTEGER NOT NULL, 
	lot BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	PRIMARY KEY (delivery)
);
CREATE TABLE lots (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	account TEXT NOT NULL, 
	campaign TEXT NOT NULL, 
	code TEXT NOT NULL, 
	state TEXT NOT NULL, 
	changed_at BIGINT NOT NULL, 
	asked TEXT, 
	asked_at BIGINT, 
	asked_until BIGINT, 
	fires_at BIGINT, 
	CONSTRAINT uq_lots_code UNIQUE (account, campaign, code)
);
CREATE TABLE polls (
	name TEXT NOT NULL, 
	source TEXT NOT NULL, 
	what TEXT NOT NULL, 
	cursor TEXT NOT NULL, 
	seen TEXT, 
	begun_at BIGINT NOT NULL, 
	due_at BIGINT NOT NULL, 
	holder TEXT, 
	held_until BIGINT NOT NULL, 
	looked_at BIGINT, 
	stored BIGINT NOT NULL, 
	faults INTEGER NOT NULL, 
	error TEXT, 
	error_at BIGINT, 
	PRIMARY KEY (name)
);
CREATE TABLE records (
	delivery INTEGER NOT NULL, 
	record TEXT NOT NULL, 
	notes TEXT, 
	contact TEXT, "after" TEXT, result TEXT, contacts TEXT, 
	PRIMARY KEY (delivery)
);
INSERT INTO "records" VALUES(1,'{"customer_name":"Ana 1","customer_last_name":"","id_type":"","customer_id":"C-1","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000001","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}',NULL,'54efaa8b4e2b4c12633c6880d20f28be',NULL,NULL,NULL);
INSERT INTO "records" VALUES(2,'{"customer_name":"Ana 2","customer_last_name":"","id_type":"","customer_id":"C-2","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000002","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}',NULL,'c63f007bc89fc98365dac650a76d0336',NULL,NULL,NULL);
INSERT INTO "records" VALUES(3,'{"customer_name":"Ana 3","customer_last_name":"","id_type":"","customer_id":"C-3","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000002","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}',NULL,'c63f007bc89fc98365dac650a76d0336',NULL,NULL,NULL);
INSERT INTO "records" VALUES(4,'{"customer_name":"Ana 5","customer_last_name":"","id_type":"","customer_id":"C-5","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000005","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}',NULL,'0c2e92a71c708ed298e78079e93fcc96',NULL,NULL,NULL);
INSERT INTO "records" VALUES(5,'{"customer_name":"Ana 6","customer_last_name":"","id_type":"","customer_id":"C-6","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000006","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}',NULL,'cd0b60a6575d663d58df957304877338',NULL,NULL,NULL);
INSERT INTO "records" VALUES(6,'',NULL,'2530ed8a303d29d17d94772b556d10a7',NULL,NULL,NULL);
INSERT INTO "records" VALUES(7,'{"customer_name":"Ana 10","customer_last_name":"","id_type":"","customer_id":"C-10","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000010","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}',NULL,'75e9991368b3fd97ebb7c77133acce8b',NULL,NULL,NULL);
INSERT INTO "records" VALUES(8,'{"customer_name":"Ana 11","customer_last_name":"","id_type":"","customer_id":"C-11","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000011","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}',NULL,'1898982fd356628aa862fedfc42995d1',NULL,NULL,NULL);
INSERT INTO "records" VALUES(9,'{"customer_name":"Ana 12","customer_last_name":"","id_type":"","customer_id":"C-12","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000012","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}',NULL,'8fdecb7b242471c3fc7d828f2a23398d',NULL,NULL,NULL);
INSERT INTO "records" VALUES(10,'{"customer_name":"Ana 13","customer_last_name":"","id_type":"","customer_id":"C-13","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000013","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}',NULL,'3ad5ea5097a2bc078c9157dc90cb85d1',NULL,NULL,NULL);
INSERT INTO "records" VALUES(11,'{"customer_name":"Ana 20","customer_last_name":"","id_type":"","customer_id":"C-20","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000020","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}',NULL,'9211ef2a3246b75e4f06cb5391791261',NULL,NULL,NULL);
INSERT INTO "records" VALUES(12,'{"customer_name":"Ana 4","customer_last_name":"","id_type":"","customer_id":"C-4","age":"","gender":"","country":"","state":"","city":"","zone":"","address":"","opt1":"","opt2":"","opt3":"","opt4":"","opt5":"","opt6":"","opt7":"","opt8":"","opt9":"","opt10":"","opt11":"","opt12":"","tel1":"3000000004","tel2":"","tel3":"","tel4":"","tel5":"","tel6":"","tel7":"","tel8":"","tel9":"","tel10":"","tel_extra":"","email":"","recall_date":"","recall_telephone":""}',NULL,'d8bc001eb7f90c221c77d64c01278808',NULL,NULL,NULL);
INSERT INTO "records" VALUES(13,'{"name":"Zoë","email":"z@example.com","identification":null,"phone":"3000000030","tags":[]}',NULL,'551bd06cbf04caa3c955b0206778c8b7',NULL,NULL,'["551bd06cbf04caa3c955b0206778c8b7","2d042db112c49568df65390b1f8eafcd"]');
INSERT INTO "records" VALUES(14,'',NULL,'551bd06cbf04caa3c955b0206778c8b7','links',NULL,'["551bd06cbf04caa3c955b0206778c8b7","2d042db112c49568df65390b1f8eafcd"]');
INSERT INTO "records" VALUES(15,'{"name":"Zoë","email":"y@example.com","identification":null,"phone":"3000000031","tags":[]}',NULL,'715a53319fec34058bc53180609f7866',NULL,NULL,'["715a53319fec34058bc53180609f7866","79df562100307f9c2212b623caf99d27"]');
INSERT INTO "records" VALUES(16,'',NULL,'715a53319fec34058bc53180609f7866','links',NULL,'["715a53319fec34058bc53180609f7866","79df562100307f9c2212b623caf99d27"]');
INSERT INTO "records" VALUES(17,'{"name":"Zoë 40","email":"zoe.40@example.com","identification":null,"phone":"","tags":[]}',NULL,'c3bd3052abf8068996326937a3a4b6bf',NULL,NULL,NULL);
CREATE INDEX ix_attempts_probe ON attempts (account, probe_at) WHERE probe_at IS NOT NULL;
CREATE INDEX ix_attempts_started ON attempts (account, deadline) WHERE state = 'started';
CREATE INDEX ix_attempts_usage ON attempts (account, ended_at);
CREATE INDEX ix_deliveries_attempt ON deliveries (attempt) WHERE state IN ('sending', 'uncertain');
CREATE INDEX ix_deliveries_due ON deliveries (destination, lane, due_at, id) WHERE state = 'pending';
CREATE INDEX ix_deliveries_once_key ON deliveries (once_key) WHERE once_key IS NOT NULL;
CREATE INDEX ix_deliveries_troubled ON deliveries (state, updated_at) WHERE state IN ('uncertain', 'suppressed', 'dead');
CREATE INDEX ix_events_keyless ON events (event_id) WHERE key IS NULL;
CREATE INDEX ix_events_waiting ON events (account, due_at, id) WHERE state = 'waiting';
CREATE UNIQUE INDEX uq_events_second_key ON events (source, second_key) WHERE second_key IS NOT NULL;
CREATE INDEX ix_records_contact ON records (contact);
CREATE INDEX ix_lot_deliveries_lot ON lot_deliveries (lot);
CREATE INDEX ix_attempts_about ON attempts (about) WHERE about IS NOT NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',15);
INSERT INTO "sqlite_sequence" VALUES('deliveries',17);
INSERT INTO "sqlite_sequence" VALUES('attempts',11);
COMMIT;
