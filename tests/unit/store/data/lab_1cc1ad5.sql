BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE audit (
	sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	"by" TEXT NOT NULL, 
	what VARCHAR(64) NOT NULL, 
	target TEXT NOT NULL, 
	"before" JSON, 
	"after" JSON
);
INSERT INTO "audit" VALUES(1,1700000002.0,'root','quota.set','default','null','{"max_gpus": 1, "session_hours": 4.0, "max_session_hours": 12.0}');
INSERT INTO "audit" VALUES(2,1700000002.0,'root','quota.set','group/vision','null','{"max_gpus": 2, "gpu_hours": 200.0, "window_days": 30.0, "group_max_gpus": 3}');
INSERT INTO "audit" VALUES(3,1700000002.0,'root','quota.set','user/ada','null','{"max_gpus": 2, "weight": 2.0, "gpu_models": ["*A100*"]}');
INSERT INTO "audit" VALUES(4,1700000002.0,'root','quota.set','user/gone','null','{"max_gpus": 5}');
INSERT INTO "audit" VALUES(5,1700000002.0,'root','quota.unset','user/gone','{"max_gpus": 5}','null');
INSERT INTO "audit" VALUES(6,1700000002.0,'root','gpu.slots','GPU-00000001-0000-4000-8000-000000000001',1,2);
INSERT INTO "audit" VALUES(7,1700016808.0,'ada','lease.extend','0000000000000003',1700030606,1700037806);
INSERT INTO "audit" VALUES(8,1700016808.0,'root','gpu.state','GPU-00000002-0000-4000-8000-000000000002','"active"','"draining"');
INSERT INTO "audit" VALUES(9,1700016868.0,'root','queue.cancel','eve/','"eve/"','null');
CREATE TABLE gpus (
	uuid VARCHAR(128) NOT NULL, 
	host TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	model TEXT NOT NULL, 
	memory_mib INTEGER NOT NULL, 
	parent_uuid VARCHAR(128), 
	mig_profile TEXT, 
	standing VARCHAR(16) NOT NULL, 
	reason TEXT, 
	in_use_by TEXT, 
	freed_at FLOAT, 
	first_seen FLOAT NOT NULL, 
	last_seen FLOAT NOT NULL, slots INTEGER DEFAULT '1' NOT NULL, 
	CONSTRAINT pk_gpus PRIMARY KEY (uuid)
);
INSERT INTO "gpus" VALUES('GPU-00000000-0000-4000-8000-000000000000','host',0,'NVIDIA A100-SXM4-40GB',40960,NULL,NULL,'active',NULL,NULL,1700016206.0,1700000002.0,1700016808.0,1);
INSERT INTO "gpus" VALUES('GPU-00000001-0000-4000-8000-000000000001','host',1,'NVIDIA A100-SXM4-40GB',40960,NULL,NULL,'active',NULL,NULL,NULL,1700000002.0,1700016808.0,2);
INSERT INTO "gpus" VALUES('GPU-00000002-0000-4000-8000-000000000002','host',2,'NVIDIA A100-SXM4-40GB',40960,NULL,NULL,'draining','Drained by root.',NULL,NULL,1700000002.0,1700016808.0,1);
CREATE TABLE lease_gpus (
	lease_id VARCHAR(64) NOT NULL, 
	gpu_uuid VARCHAR(128) NOT NULL, 
	slot INTEGER NOT NULL, 
	live BOOLEAN NOT NULL, 
	CONSTRAINT pk_lease_gpus PRIMARY KEY (lease_id, gpu_uuid), 
	CONSTRAINT fk_lease_gpus_lease_id FOREIGN KEY(lease_id) REFERENCES leases (id), 
	CONSTRAINT fk_lease_gpus_gpu_uuid FOREIGN KEY(gpu_uuid) REFERENCES gpus (uuid)
);
INSERT INTO "lease_gpus" VALUES('0000000000000001','GPU-00000000-0000-4000-8000-000000000000',0,0);
INSERT INTO "lease_gpus" VALUES('0000000000000002','GPU-00000000-0000-4000-8000-000000000000',0,0);
INSERT INTO "lease_gpus" VALUES('0000000000000003','GPU-00000000-0000-4000-8000-000000000000',0,1);
INSERT INTO "lease_gpus" VALUES('0000000000000004','GPU-00000001-0000-4000-8000-000000000001',0,1);
CREATE TABLE leases (
	id VARCHAR(64) NOT NULL, 
	username TEXT NOT NULL, 
	server TEXT NOT NULL, 
	image TEXT NOT NULL, 
	share VARCHAR(16) NOT NULL, 
	granted_at FLOAT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	container_id VARCHAR(128), 
	expires_at FLOAT, 
	ended_at FLOAT, 
	end_reason TEXT, groups JSON DEFAULT '[]' NOT NULL, slots INTEGER DEFAULT '1' NOT NULL, latest_end FLOAT, promised BOOLEAN DEFAULT 0 NOT NULL, gpu_hours_limit FLOAT, gpu_hours_window FLOAT, group_hours JSON DEFAULT '[]' NOT NULL, active_at FLOAT, warned_at FLOAT, adopted BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_leases PRIMARY KEY (id)
);
INSERT INTO "leases" VALUES('0000000000000001','ada','','image','exclusive',1700000002.0,'ended','old-0000000000000001',1700014402.0,1700010804.0,'stopped by its user','["vision"]',1,1700043202.0,0,200.0,30.0,'[]',1700010804.0,1700010804.0,0);
INSERT INTO "leases" VALUES('0000000000000002','bob','work','image','exclusive',1700010804.0,'ended','old-0000000000000002',1700025204.0,1700016206.0,'stopped by its user','[]',1,1700054004.0,0,NULL,30.0,'[]',1700016206.0,NULL,0);
INSERT INTO "leases" VALUES('0000000000000003','ada','','lab/torch:2','exclusive',1700016206.0,'active','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',1700037806.0,NULL,NULL,'["vision"]',1,1700059406.0,0,200.0,30.0,'[]',1700016868.0,NULL,0);
INSERT INTO "leases" VALUES('0000000000000004','cy','','image','shared',1700016206.0,'active','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd',1700030606.0,NULL,NULL,'[]',2,1700059406.0,0,NULL,30.0,'[]',1700016868.0,NULL,0);
CREATE TABLE meta (
	"key" VARCHAR(64) NOT NULL, 
	value BIGINT NOT NULL, 
	CONSTRAINT pk_meta PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('generation',27);
INSERT INTO "meta" VALUES('quota_revision',6);
INSERT INTO "meta" VALUES('ended_leases',2);
INSERT INTO "meta" VALUES('longest_lease',10802);
CREATE TABLE quotas (
	level VARCHAR(16) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	document JSON NOT NULL, 
	updated_at FLOAT NOT NULL, 
	updated_by TEXT NOT NULL, revision BIGINT DEFAULT '1' NOT NULL, 
	CONSTRAINT pk_quotas PRIMARY KEY (level, name)
);
INSERT INTO "quotas" VALUES('default','','{"max_gpus": 1, "session_hours": 4.0, "max_session_hours": 12.0}',1700000002.0,'root',2);
INSERT INTO "quotas" VALUES('group','vision','{"max_gpus": 2, "gpu_hours": 200.0, "window_days": 30.0, "group_max_gpus": 3}',1700000002.0,'root',3);
INSERT INTO "quotas" VALUES('user','ada','{"max_gpus": 2, "weight": 2.0, "gpu_models": ["*A100*"]}',1700000002.0,'root',4);
CREATE TABLE requests (
	sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(64) NOT NULL, 
	username TEXT NOT NULL, 
	server TEXT NOT NULL, 
	gpus INTEGER NOT NULL, 
	gpu_model TEXT, 
	share VARCHAR(16) NOT NULL, 
	when_busy VARCHAR(16) NOT NULL, 
	image TEXT NOT NULL, 
	groups JSON NOT NULL, 
	user_options JSON NOT NULL, 
	created_at FLOAT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	settled_at FLOAT, 
	lease_id VARCHAR(64), 
	message TEXT, 
	CONSTRAINT uq_requests_id UNIQUE (id), 
	CONSTRAINT fk_requests_lease_id FOREIGN KEY(lease_id) REFERENCES leases (id)
);
INSERT INTO "requests" VALUES(1,'ada/','ada','',1,NULL,'exclusive','wait','image','["vision"]','{}',1700000002.0,'granted',1700000002.0,'0000000000000001',NULL);
INSERT INTO "requests" VALUES(2,'bob/work','bob','work',1,NULL,'exclusive','wait','image','[]','{}',1700010804.0,'granted',1700010804.0,'0000000000000002',NULL);
INSERT INTO "requests" VALUES(3,'108595396dd487a86834ff4da65edd11','ada','',1,NULL,'exclusive','wait','lab/torch:2','["vision"]','{}',1700016206.0,'granted',1700016206.0,'0000000000000003',NULL);
INSERT INTO "requests" VALUES(4,'cy/','cy','',1,NULL,'shared','wait','image','[]','{}',1700016206.0,'granted',1700016206.0,'0000000000000004',NULL);
INSERT INTO "requests" VALUES(5,'名前/second','名前','second',1,NULL,'exclusive','wait','image','["vision"]','{"image": "lab/torch:2", "gpus": "1"}',1700016868.0,'waiting',NULL,NULL,NULL);
INSERT INTO "requests" VALUES(6,'bob/','bob','',1,'*A100*','exclusive','wait','image','[]','{}',1700016868.0,'waiting',NULL,NULL,NULL);
INSERT INTO "requests" VALUES(7,'eve/','eve','',1,NULL,'exclusive','wait','image','[]','{}',1700016868.0,'withdrawn',1700016868.0,NULL,NULL);
CREATE TABLE usage_days (
	kind VARCHAR(8) NOT NULL, 
	day INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	gpu_seconds FLOAT NOT NULL, 
	leases INTEGER NOT NULL, 
	CONSTRAINT pk_usage_days PRIMARY KEY (kind, day, name)
)
 WITHOUT ROWID

;
INSERT INTO "usage_days" VALUES('gpu',19675,'GPU-00000000-0000-4000-8000-000000000000',6398.0,1);
INSERT INTO "usage_days" VALUES('gpu',19676,'GPU-00000000-0000-4000-8000-000000000000',9806.0,1);
INSERT INTO "usage_days" VALUES('group',19675,'vision',6398.0,1);
INSERT INTO "usage_days" VALUES('group',19676,'vision',4404.0,0);
INSERT INTO "usage_days" VALUES('user',19675,'ada',6398.0,1);
INSERT INTO "usage_days" VALUES('user',19676,'ada',4404.0,0);
INSERT INTO "usage_days" VALUES('user',19676,'bob',5402.0,1);
CREATE UNIQUE INDEX one_live_lease_per_server ON leases (username, server) WHERE state != 'ended';
CREATE INDEX ix_leases_state ON leases (state);
CREATE INDEX ix_leases_ended_at ON leases (ended_at);
CREATE UNIQUE INDEX one_live_lease_per_slot ON lease_gpus (gpu_uuid, slot) WHERE live;
CREATE UNIQUE INDEX one_waiting_request_per_server ON requests (username, server) WHERE state = 'waiting';
CREATE INDEX ix_requests_state ON requests (state);
CREATE INDEX ix_requests_lease_id ON requests (lease_id);
CREATE INDEX ix_audit_at ON audit (at);
CREATE INDEX ix_leases_username_ended_at ON leases (username, ended_at);
CREATE INDEX ix_requests_username_server_sequence ON requests (username, server, sequence);
CREATE INDEX ix_usage_days_kind_name_day ON usage_days (kind, name, day);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',9);
INSERT INTO "sqlite_sequence" VALUES('requests',7);
COMMIT;
