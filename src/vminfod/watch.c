typedef int v_watch;
