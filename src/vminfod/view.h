/* Who sees what: everything, or what other users may see (prop_is_secret). */
#ifndef VMINFOD_VIEW_H
#define VMINFOD_VIEW_H

enum view { VIEW_FULL, VIEW_REDACTED, VIEW_COUNT };

#endif
