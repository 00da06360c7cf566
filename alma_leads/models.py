"""All tables: importing this module adds each of them to the metadata."""

import alma_leads.accounts.core.models
import alma_leads.audit.models
import alma_leads.leads.assignments.models
import alma_leads.leads.bulk.models
import alma_leads.leads.conflicts.models
import alma_leads.leads.core.models
import alma_leads.leads.first_contact.models
import alma_leads.leads.intake.models
import alma_leads.leads.listing.models
import alma_leads.leads.reminders.models
import alma_leads.leads.resume_text.models
import alma_leads.outbox.models
import alma_leads.resumes.models

# Tables that nothing uses any more. The next release drops them: until then, a downgrade finds them again.
RETIRED_TABLES = frozenset({"insight_tallies", "insight_stale_moments", "insight_runs", "export_progress"})
